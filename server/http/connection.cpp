#include "server/http/connection.h"

#include <netinet/tcp.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace baton::server::http {

namespace asio = boost::asio;
using boost::system::error_code;

// The handler's side. It may outlive the connection; its calls do nothing then.
class ConnectionExchange final : public Exchange {
 public:
  ConnectionExchange(std::weak_ptr<Connection> connection, uint64_t number)
      : connection_(std::move(connection)), number_(number) {}
  ~ConnectionExchange() override {
    if (auto c = live()) c->dropped();
  }
  void on_gone(std::function<void()> gone) override {
    if (auto c = live()) c->gone_ = std::move(gone);
  }
  void respond(Response response) override {
    if (auto c = live()) c->respond(std::move(response));
  }
  void begin(Response head, std::string_view comment) override {
    if (auto c = live()) c->begin(std::move(head), comment);
  }
  void write(std::string_view data) override {
    if (auto c = live()) c->write(data);
  }
  void end() override {
    if (auto c = live()) c->end();
  }

 private:
  std::shared_ptr<Connection> live() const {
    auto c = connection_.lock();
    return c && c->exchange_open_ && c->exchange_ == number_ ? c : nullptr;
  }

  std::weak_ptr<Connection> connection_;
  uint64_t number_;
};

namespace {

prometheus::Counter& malformed_counter(Metrics& metrics, const char* kind) {
  return metrics.counter("baton_http_malformed_total", "Requests that are not HTTP, or too large.",
                         {{"kind", kind}});
}

}  // namespace

ConnectionCounters::ConnectionCounters(Metrics& metrics)
    : open(metrics.gauge("baton_http_connections", "Open client connections.")),
      accepted(metrics.counter("baton_http_connections_total", "Accepted client connections.")),
      refused(metrics.counter("baton_http_connections_refused_total",
                              "Connections refused for a limit on connections.")),
      malformed_head(malformed_counter(metrics, "head")),
      malformed_body(malformed_counter(metrics, "body")),
      too_large(malformed_counter(metrics, "too_large")),
      timed_out(metrics.counter("baton_http_timeouts_total",
                                "Requests whose head or body came too slowly.")),
      slow_readers(metrics.counter("baton_http_slow_readers_total",
                                   "Streams cut off because the client did not read.")),
      gone(metrics.counter("baton_http_client_gone_total",
                           "Clients that left before the end of an answer.")) {}

Connection::Connection(std::unique_ptr<Channel> channel, ConnectionContext& context, Closed closed)
    : context_(context),
      channel_(std::move(channel)),
      closed_(std::move(closed)),
      reader_(context.limits.read) {}

void Connection::start() {
  error_code ignored;
  socket().non_blocking(true, ignored);
  socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  // What a client doesn't read must stand here, where it is counted, not in the kernel.
  const int kept = static_cast<int>(context_.limits.kernel_unsent_bytes_max);
  ::setsockopt(socket().native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kept, sizeof(kept));
  phase_began_ = last_sent_ = context_.clock.now();
  wait_readable();
}

void Connection::wait_readable() {
  // A full pipeline buffer stops the reading until the answer is out.
  if (is_closed_ || reading_) return;
  const bool full = reader_.kept_bytes() >= context_.limits.pipeline_bytes_max;
  if (full && (exchange_open_ || backed_up())) return;
  reading_ = true;
  socket().async_wait(asio::socket_base::wait_read, [self = shared_from_this()](error_code error) {
    self->reading_ = false;
    if (!error) self->on_readable();
  });
}

void Connection::on_readable() {
  if (is_closed_) return;
  error_code error;
  auto& scratch = context_.scratch;
  const size_t n = channel_->read_some(scratch, error);
  if (channel_->holds() && !writing_) wait_writable();
  if (error == asio::error::would_block) return wait_readable();
  if (error) return exchange_open_ ? client_gone(context_.counters.gone) : close();
  if (ending()) {  // what comes behind the last answer is read, so that nothing is reset
    lingered_bytes_ += n;
    if (lingered_bytes_ > context_.limits.read.body_bytes_max) return close();
    return wait_readable();
  }
  if (reader_.state() == Reading::head && reader_.kept_bytes() == 0) {
    phase_began_ = context_.clock.now();  // a head's first bytes
  }
  reader_.feed({scratch.data(), n});
  progress();
  wait_readable();
}

// Goes on with whatever is complete. Not reentrant: answers that come at once set the loop on.
void Connection::progress() {
  if (progressing_) return;
  progressing_ = true;
  while (!is_closed_ && !exchange_open_ && !ending() && !backed_up()) {
    const Reading state = reader_.state();
    if (state == Reading::failed) {
      context_.counters.malformed(reader_.refusal().kind).Increment();
      refuse(context_.handler.bad_request(reader_.refusal().status, reader_.refusal().message));
      break;
    }
    if (state != Reading::head && phase_ == Reading::head) {
      phase_ = Reading::body;
      phase_began_ = context_.clock.now();
      if (!head_read()) break;
    }
    if (state != Reading::complete) break;
    dispatch();
  }
  progressing_ = false;
}

// The head is known, the body perhaps not: false if the request was refused.
bool Connection::head_read() {
  const Request& head = reader_.request();
  head_only_ = head.method == "HEAD";
  if (reader_.state() == Reading::complete) return true;
  const bool waits = reader_.expects_continue();
  uint64_t length = context_.limits.early_refusal_bytes_max + 1;  // unknown
  if (const auto text = find(head.fields, "content-length"); !text.empty()) {
    length = std::strtoull(std::string(text).c_str(), nullptr, 10);
  }
  if (waits || length > context_.limits.early_refusal_bytes_max) {
    if (auto response = context_.handler.refuse(head)) {
      refuse(*std::move(response));
      return false;
    }
  }
  if (waits && reader_.body_bytes() == 0) send("HTTP/1.1 100 Continue\r\n\r\n");
  return true;
}

void Connection::dispatch() {
  Request request = reader_.take();
  phase_ = Reading::head;
  ++exchange_;
  exchange_open_ = true;
  streaming_ = false;
  head_only_ = request.method == "HEAD";
  chunked_ = !request.http_1_0;
  close_after_ =
      !request.keep_alive || context_.draining || exchange_ >= context_.limits.requests_max;
  auto exchange = std::make_unique<ConnectionExchange>(weak_from_this(), exchange_);
  if (auto response = context_.handler.refuse(request)) return exchange->respond(*response);
  context_.handler.handle(std::move(request), std::move(exchange));
}

// Answers what is not worth reading to its end, then closes with care.
void Connection::refuse(Response response) {
  Framing framing{.keep_alive = false, .head_only = head_only_};
  std::string bytes = encode_head(response, framing);
  if (!head_only_) bytes += response.body;
  close_after_ = true;
  send(bytes);
  answer_ended();
}

void Connection::respond(Response response) {
  close_after_ = close_after_ || context_.draining;
  Framing framing{.keep_alive = !close_after_, .head_only = head_only_};
  framing.keep_alive_seconds = static_cast<uint32_t>(to_seconds(context_.limits.idle_time));
  std::string bytes = encode_head(response, framing);
  if (!head_only_) bytes += response.body;
  send(bytes);
  answer_ended();
}

void Connection::begin(Response head, std::string_view comment) {
  streaming_ = true;
  close_after_ = close_after_ || context_.draining || !chunked_;
  Framing framing{.keep_alive = !close_after_,
                  .head_only = head_only_,
                  .chunked = chunked_,
                  .until_close = !chunked_};
  framing.keep_alive_seconds = static_cast<uint32_t>(to_seconds(context_.limits.idle_time));
  comment_ = comment;
  last_write_ = context_.clock.now();
  send(encode_head(head, framing));
}

void Connection::write(std::string_view data) {
  if (data.empty()) return;
  last_write_ = context_.clock.now();
  if (chunked_) {
    context_.chunk.clear();
    append_chunk(context_.chunk, data);
    data = context_.chunk;
  }
  send(data, last_write_);
  if (unsent_.size() - sent_ > context_.limits.stream_buffer_bytes_max && !is_closed_) {
    asio::post(socket().get_executor(), [self = shared_from_this(), number = exchange_] {
      if (self->exchange_open_ && self->exchange_ == number) {
        self->client_gone(self->context_.counters.slow_readers);
      }
    });
  }
}

void Connection::end() {
  if (chunked_) send(kLastChunk);
  answer_ended();
}

// The exchange was destroyed before its end: no terminator, so the client sees a failure.
void Connection::dropped() {
  exchange_open_ = false;
  close_after_ = true;  // nothing else may follow what was sent of it
  gone_ = nullptr;
  close_soon();
}

void Connection::answer_ended() {
  exchange_open_ = false;
  streaming_ = false;
  gone_ = nullptr;
  phase_began_ = context_.clock.now();
  if (close_after_) {
    if (unsent_.empty() && !channel_->holds()) linger();
    return;
  }
  if (progressing_) return;
  // Not from inside the handler's call: what is pipelined behind comes in a turn of its own.
  asio::post(socket().get_executor(), [self = shared_from_this()] {
    self->progress();
    self->wait_readable();
  });
}

void Connection::send(std::string_view bytes) { send(bytes, context_.clock.now()); }

void Connection::send(std::string_view bytes, Instant now) {
  if (is_closed_) return;
  if (unsent_.empty()) last_sent_ = now;
  if (writing_ || !unsent_.empty()) {
    unsent_ += bytes;
    if (!writing_) flush();
    return;
  }
  // Nearly always the socket takes all of it at once, and nothing is kept.
  error_code error;
  bytes.remove_prefix(write_some(bytes, error));
  unsent_ = bytes;
  written(error);
}

void Connection::flush() {
  error_code error;
  const size_t taken = write_some(std::string_view(unsent_).substr(sent_), error);
  sent_ += taken;
  if (taken > 0) last_sent_ = context_.clock.now();
  if (!error) {
    unsent_.clear();
    sent_ = 0;
  }
  written(error);
}

// All that the socket takes now.
size_t Connection::write_some(std::string_view bytes, error_code& error) {
  size_t taken = 0;
  while (taken < bytes.size() && !error) {
    const size_t n = channel_->write_some(bytes.substr(taken), error);
    if (!error) taken += n;
  }
  return taken;
}

void Connection::written(error_code error) {
  if (!error) channel_->flush(error);
  if (error == asio::error::would_block) return wait_writable();
  if (error) return close_soon();
  if (exchange_open_ || progressing_) return;
  if (close_after_) return linger();
  progress();  // with what has waited until the client had read
  wait_readable();
}

void Connection::wait_writable() {
  if (sent_ > 64 * 1024) {
    unsent_.erase(0, sent_);
    sent_ = 0;
  }
  writing_ = true;
  socket().async_wait(asio::socket_base::wait_write, [self = shared_from_this()](error_code error) {
    self->writing_ = false;
    if (!error && !self->is_closed_) self->flush();
  });
}

// A socket closed with unread bytes is reset, and the client would lose the answer: read on first.
void Connection::linger() {
  if (lingering_ || is_closed_) return;
  lingering_ = true;
  phase_began_ = context_.clock.now();
  channel_->end_writing();
  wait_readable();
}

void Connection::client_gone(prometheus::Counter& counter) {
  counter.Increment();
  exchange_open_ = false;
  auto gone = std::exchange(gone_, nullptr);
  const auto self = shared_from_this();
  close();
  if (gone) gone();
}

// For calls that come from inside a handler, which must not be called back.
void Connection::close_soon() {
  asio::post(socket().get_executor(), [self = shared_from_this()] {
    if (self->is_closed_) return;
    if (self->exchange_open_) return self->client_gone(self->context_.counters.gone);
    self->close();
  });
}

void Connection::close() {
  if (is_closed_) return;
  if (exchange_open_) return client_gone(context_.counters.gone);
  const auto self = shared_from_this();  // the listener lets go of it in closed_
  is_closed_ = true;
  error_code ignored;
  socket().close(ignored);
  closed_(*this);
}

void Connection::sweep(Instant now) {
  if (is_closed_) return;
  const ConnectionLimits& limits = context_.limits;
  const Duration waited = now - phase_began_;
  if (lingering_) {
    if (waited > limits.linger_time) close();
    return;
  }
  if ((!unsent_.empty() || channel_->holds()) && now - last_sent_ > limits.write_stall) {
    return exchange_open_ ? client_gone(context_.counters.slow_readers) : close();
  }
  if (exchange_open_) {
    if (streaming_ && !comment_.empty() && now - last_write_ >= limits.comment_after) {
      write(comment_);
    }
    return;
  }
  if (ending() || backed_up()) {  // it is the client's turn to read: no other limit runs
    phase_began_ = now;
    return;
  }
  bool late = false;
  if (reader_.state() == Reading::head) {
    if (reader_.kept_bytes() == 0) {
      const Duration patience = channel_->established() ? limits.idle_time : limits.head_time;
      // One that has only just come will be told that there is an end.
      const bool unwanted = context_.draining && (exchange_ > 0 || waited > limits.linger_time);
      if (waited > patience || unwanted) close();
      return;
    }
    late = waited > limits.head_time;
  } else if (waited > limits.body_grace) {
    const double wanted =
        to_seconds(waited - limits.body_grace) * static_cast<double>(limits.body_bytes_per_s_min);
    late = static_cast<double>(reader_.body_bytes()) < wanted;
  }
  if (!late) return;
  context_.counters.timed_out.Increment();
  refuse(context_.handler.bad_request(408, "The request came too slowly."));
}

}  // namespace baton::server::http
