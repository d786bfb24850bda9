#include "bench/gateway/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <memory>

namespace baton::bench {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::string_view kContent = "\"content\":\"";
constexpr Duration kRamp = 500us;  // between the starts of two streams

std::string request_of(bool stream, uint32_t tokens) {
  const std::string body =
      fmt::format(R"({{"messages":[{{"role":"user","content":"What is 37 + 48?"}}],)"
                  R"("max_tokens":{},"stream":{}}})",
                  tokens, stream);
  return fmt::format(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      body.size(), body);
}

// What all clients of one run share.
struct Run {
  explicit Run(uint16_t port) : server(asio::ip::make_address("127.0.0.1"), port) {}
  asio::io_context io{1};
  tcp::endpoint server;
  std::string request;
  Samples samples;
  Instant end{};
};

class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(Run& run, const Clock& clock) : run_(run), clock_(clock), socket_(run.io) {}
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start() {
    error_code ignored;
    socket_.close(ignored);
    socket_.async_connect(run_.server, [self = shared_from_this()](error_code error) {
      if (error) return self->fail();
      error_code ignored;
      self->socket_.set_option(tcp::no_delay(true), ignored);
      self->send();
      self->read();
    });
  }

 protected:
  // False: that was all.
  virtual bool received(std::string_view bytes) = 0;

  void send() {
    sent_at_ = clock_.now();
    asio::async_write(socket_, asio::buffer(run_.request),
                      [self = shared_from_this()](error_code error, size_t) {
                        if (error) self->fail();
                      });
  }
  void fail() { ++run_.samples.failed; }

  Run& run_;
  const Clock& clock_;
  Instant sent_at_{};

 private:
  void read() {
    socket_.async_read_some(asio::buffer(bytes_),
                            [self = shared_from_this()](error_code error, size_t n) {
                              if (error) return self->fail();
                              self->run_.samples.bytes += n;
                              if (self->received({self->bytes_.data(), n})) self->read();
                            });
  }

  tcp::socket socket_;
  std::array<char, 4096> bytes_;
};

// One whole answer after the other.
class Asker final : public Client {
 public:
  using Client::Client;

 private:
  bool received(std::string_view bytes) override {
    answer_ += bytes;
    const size_t head = answer_.find("\r\n\r\n");
    if (head == answer_.npos) return true;
    if (length_ == 0) {
      const size_t at = answer_.find("Content-Length: ");
      if (!answer_.starts_with("HTTP/1.1 200 ") || at > head) {
        fail();
        return false;
      }
      length_ = std::strtoul(answer_.c_str() + at + 16, nullptr, 10);
    }
    if (answer_.size() < head + 4 + length_) return true;
    const Instant now = clock_.now();
    run_.samples.ms.push_back(to_seconds(now - sent_at_) * 1e3);
    const bool last = answer_.find("\r\nConnection: close\r\n") < head;
    answer_.clear();
    length_ = 0;
    if (now >= run_.end) return false;
    if (last) {  // a connection answers so many requests and no more
      start();
      return false;
    }
    send();
    return true;
  }

  std::string answer_;
  size_t length_ = 0;
};

// One stream, whose tokens say when they were due.
class Listener final : public Client {
 public:
  using Client::Client;

 private:
  bool received(std::string_view bytes) override {
    const Instant now = clock_.now();
    held_ += bytes;
    size_t taken = 0;
    for (size_t at = held_.find(kContent); at != held_.npos; at = held_.find(kContent, taken)) {
      const size_t begin = at + kContent.size();
      const size_t end = held_.find('"', begin);
      if (end == held_.npos) break;
      int64_t due = 0;
      std::from_chars(held_.data() + begin, held_.data() + end, due);
      if (due > 0)
        run_.samples.ms.push_back(to_seconds(now.time_since_epoch() - Duration(due)) * 1e3);
      taken = end;
    }
    if (held_.find("data: [DONE]", taken) != held_.npos) return false;
    // Half an event at the end is kept.
    held_.erase(0, std::max(taken, held_.size() - std::min<size_t>(held_.size(), 64)));
    return true;
  }

  std::string held_;
};

Samples done(Run& run, const Clock& clock, Instant began) {
  run.io.run();
  run.samples.wall_s = to_seconds(clock.now() - began);
  std::ranges::sort(run.samples.ms);
  return std::move(run.samples);
}

// Starts one client after the other: a thousand connections at once are a test of something else.
void ramp(Run& run, const Clock& clock, asio::steady_timer& timer, size_t left) {
  if (left == 0) return;
  std::make_shared<Listener>(run, clock)->start();
  timer.expires_after(kRamp);
  timer.async_wait([&run, &clock, &timer, left](error_code error) {
    if (!error) ramp(run, clock, timer, left - 1);
  });
}

}  // namespace

double Samples::at(double share) const {
  if (ms.empty()) return 0;
  return ms[std::min(ms.size() - 1, static_cast<size_t>(share * static_cast<double>(ms.size())))];
}

Samples closed_loop(uint16_t port, size_t connections, Duration span, const Clock& clock) {
  Run run(port);
  run.request = request_of(false, 1);
  const Instant began = clock.now();
  run.end = began + span;
  for (size_t i = 0; i < connections; ++i) std::make_shared<Asker>(run, clock)->start();
  return done(run, clock, began);
}

Samples streams(uint16_t port, size_t count, uint32_t tokens, const Clock& clock) {
  Run run(port);
  run.request = request_of(true, tokens);
  asio::steady_timer timer(run.io);
  const Instant began = clock.now();
  ramp(run, clock, timer, count);
  return done(run, clock, began);
}

}  // namespace baton::bench
