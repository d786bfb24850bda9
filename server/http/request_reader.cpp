#include "server/http/request_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/result.h"

namespace baton::server::http {

namespace beast = boost::beast::http;

struct RequestReader::Parser {
  beast::request_parser<beast::string_body> beast;
};

RequestReader::RequestReader(const ReadLimits& limits) : limits_(limits) {}
RequestReader::~RequestReader() = default;

Reading RequestReader::feed(std::string_view bytes) {
  if (state_ == Reading::failed) return state_;
  input_ += bytes;
  advance();
  return state_;
}

void RequestReader::advance() {
  if (state_ == Reading::head) read_head();
  if (state_ == Reading::body) read_body();
}

void RequestReader::fail(int status, std::string message) {
  const Malformed kind = status == 413             ? Malformed::too_large
                         : state_ == Reading::head ? Malformed::head
                                                   : Malformed::body;
  state_ = Reading::failed;
  refusal_ = {kind, status, std::move(message)};
  input_.clear();
  parser_.reset();
}

void RequestReader::read_head() {
  // Empty lines before a request are left over from clients that end a body with one.
  while (input_.starts_with("\r\n")) {
    input_.erase(0, 2);
    scanned_ = 0;
  }
  const HeadScan scan = scan_head(input_, scanned_, limits_.head);
  scanned_ = input_.size();
  if (scan.problem) return fail(400, *scan.problem);
  if (!scan.end) return;
  const std::string_view head = std::string_view(input_).substr(0, *scan.end);
  if (auto problem = check_head(head, limits_.head)) return fail(400, *std::move(problem));

  parser_ = std::make_unique<Parser>();
  parser_->beast.header_limit(static_cast<uint32_t>(limits_.head.head_bytes_max + 1));
  parser_->beast.body_limit(limits_.body_bytes_max);
  parser_->beast.eager(true);
  boost::system::error_code error;
  parser_->beast.put(boost::asio::buffer(head), error);
  if (error == beast::error::body_limit) {
    return fail(413, fmt::format("The body is over {} bytes.", limits_.body_bytes_max));
  }
  const bool more = error == beast::error::need_more;
  if ((error && !more) || !parser_->beast.is_header_done()) {
    return fail(400, "The request's head is not valid HTTP.");
  }
  const auto& message = parser_->beast.get();
  const auto method = message.method_string();
  const auto raw_target = message.target();
  auto target = parse_target({raw_target.data(), raw_target.size()});
  if (!target) return fail(400, "The request's target is not a path.");
  request_ = {};
  request_.method.assign(method.data(), method.size());
  request_.path = std::move(target->path);
  request_.query = std::move(target->query);
  request_.http_1_0 = message.version() == 10;
  request_.keep_alive = message.keep_alive();
  for (const auto& field : message) {
    Field& added = request_.fields.emplace_back();
    added.name.assign(field.name_string().data(), field.name_string().size());
    for (char& c : added.name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    added.value.assign(field.value().data(), field.value().size());
  }
  input_.erase(0, *scan.end);
  scanned_ = 0;
  state_ = Reading::body;
}

void RequestReader::read_body() {
  auto& beast_parser = parser_->beast;
  size_t used = 0;
  while (!beast_parser.is_done() && used < input_.size()) {
    boost::system::error_code error;
    const size_t taken =
        beast_parser.put(boost::asio::buffer(input_.data() + used, input_.size() - used), error);
    used += taken;
    if (error == beast::error::body_limit) {
      return fail(413, fmt::format("The body is over {} bytes.", limits_.body_bytes_max));
    }
    if (error == beast::error::need_more || (!error && taken == 0)) break;
    if (error) return fail(400, "The request's body is not framed as HTTP asks.");
  }
  input_.erase(0, used);
  if (beast_parser.is_done()) {
    request_.body = std::move(beast_parser.get().body());
    parser_.reset();
    state_ = Reading::complete;
    return;
  }
  // Half a line that has an end is one of a framing that others read differently.
  if (const size_t end = input_.find('\n');
      end != std::string::npos && input_[end - (end > 0)] != '\r')
    return fail(400, "The request's body is not framed as HTTP asks.");
  // What the parser leaves is a chunk's size line or the trailer: as bounded as a head.
  if (input_.size() > limits_.head.head_bytes_max) fail(400, "A chunk's head is too long.");
}

Request RequestReader::take() {
  check(state_ == Reading::complete, "only a complete request can be taken");
  Request taken = std::move(request_);
  request_ = {};
  state_ = Reading::head;
  scanned_ = 0;
  advance();
  return taken;
}

bool RequestReader::expects_continue() const {
  return state_ == Reading::body && !request_.http_1_0 &&
         equals_ignoring_case(find(request_.fields, "expect"), "100-continue");
}

size_t RequestReader::body_bytes() const {
  return state_ == Reading::body ? parser_->beast.get().body().size() + input_.size() : 0;
}

}  // namespace baton::server::http
