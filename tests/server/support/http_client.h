// A raw, blocking HTTP client: sends exactly the bytes it is given and reads answers strictly.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace baton::testing {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> fields;  // lower case
  std::string body;                           // chunks joined
  size_t chunks = 0;
  bool complete = false;  // by length, or by the last chunk
};

class HttpClient {
 public:
  explicit HttpClient(uint16_t port, int receive_buffer = 0) : socket_(context_) {
    socket_.open(boost::asio::ip::tcp::v4());
    if (receive_buffer > 0)
      socket_.set_option(boost::asio::socket_base::receive_buffer_size(receive_buffer));
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port});
    timeval limit{20, 0};  // a test that hangs fails instead
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  void send(std::string_view bytes) {
    boost::system::error_code ignored;
    boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), ignored);
  }

  // One more byte into the buffer; false at the end of the stream.
  bool more() {
    char bytes[4096];
    const ssize_t n = ::recv(socket_.native_handle(), bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(n));
    return true;
  }

  std::optional<std::string> line() {
    for (;;) {
      const size_t end = buffer_.find("\r\n");
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 2);
        return line;
      }
      if (!more()) return std::nullopt;
    }
  }

  std::string exactly(size_t bytes) {
    while (buffer_.size() < bytes && more()) {
    }
    std::string taken = buffer_.substr(0, bytes);
    buffer_.erase(0, taken.size());
    return taken;
  }

  HttpAnswer head() {
    HttpAnswer answer;
    const auto status = line();
    if (!status) return answer;
    EXPECT_TRUE(status->starts_with("HTTP/1.1 ")) << *status;
    answer.status = std::stoi(status->substr(9, 3));
    for (auto field = line(); field && !field->empty(); field = line()) {
      const size_t colon = field->find(": ");
      std::string name = field->substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      answer.fields[name] = field->substr(colon + 2);
    }
    return answer;
  }

  // A chunk's data; nothing if the connection ended, empty for the last chunk.
  std::optional<std::string> chunk() {
    const auto size = line();
    if (!size || size->empty()) return std::nullopt;
    const size_t bytes = std::stoul(*size, nullptr, 16);
    std::string data = exactly(bytes);
    if (data.size() < bytes || exactly(2) != "\r\n") return std::nullopt;
    return data;
  }

  HttpAnswer read(bool head_only = false) {
    HttpAnswer answer = head();
    if (answer.status == 0) return answer;
    if (answer.fields.contains("content-length")) {
      const size_t bytes = head_only ? 0 : std::stoul(answer.fields["content-length"]);
      answer.body = exactly(bytes);
      answer.complete = answer.body.size() == bytes;
    } else if (answer.fields.contains("transfer-encoding")) {
      for (auto data = chunk(); data; data = chunk()) {
        if (data->empty()) {
          answer.complete = true;
          break;
        }
        ++answer.chunks;
        answer.body += *data;
      }
    } else {
      if (!head_only && answer.status == 200) {  // until the connection ends
        while (more()) {
        }
        answer.body = std::exchange(buffer_, {});
      }
      answer.complete = true;
    }
    return answer;
  }

  HttpAnswer get(const std::string& path, const std::string& fields = "") {
    send("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
    return read();
  }
  HttpAnswer post(const std::string& path, const std::string& body,
                  const std::string& fields = "") {
    send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + fields +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return read();
  }

  bool ended() { return buffer_.empty() && !more(); }  // the server has closed
  void close() { socket_.close(); }

 private:
  boost::asio::io_context context_;
  boost::asio::ip::tcp::socket socket_;
  std::string buffer_;
};

}  // namespace baton::testing
