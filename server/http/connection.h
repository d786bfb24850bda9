// Connection: one client's socket, from accept to close.
//
// It reads requests (RequestReader), hands them one at a time to the Handler, and writes answers in
// order; while a request is answered it keeps reading, into a bounded buffer, so that it notices
// when the client leaves. Invariants: at most one exchange is open; what waits to be sent in a
// stream is bounded (a slower reader is cut off); every wait has a limit, enforced by sweep().
// Thread: the I/O thread. Shared ownership: the listener and the pending socket operations.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/observe/metrics.h"
#include "server/http/channel.h"
#include "server/http/exchange.h"
#include "server/http/request_reader.h"

namespace baton::server::http {

struct ConnectionLimits {
  ReadLimits read;
  uint32_t requests_max = 1000;  // on one connection
  Duration head_time = 10s;      // from its first byte to its end; also of a TLS handshake
  Duration body_grace = 5s;      // after which a body must come at body_bytes_per_s_min
  size_t body_bytes_per_s_min = 1024;
  Duration idle_time = 75s;    // between requests
  Duration write_stall = 30s;  // without a byte being taken
  Duration comment_after = 15s;
  Duration linger_time = 2s;  // for the client to read a refusal before the socket closes
  size_t stream_buffer_bytes_max = 256 * 1024;
  size_t kernel_unsent_bytes_max = 64 * 1024;  // besides
  size_t pipeline_bytes_max = 64 * 1024;       // kept while a request is answered
  size_t early_refusal_bytes_max = 64 * 1024;  // larger bodies are refused by closing
};

// What is counted. All must outlive the connections.
struct ConnectionCounters {
  explicit ConnectionCounters(Metrics& metrics);
  prometheus::Gauge& open;
  prometheus::Counter& accepted;
  prometheus::Counter& refused;  // over a limit on connections
  prometheus::Counter& malformed_head;
  prometheus::Counter& malformed_body;
  prometheus::Counter& too_large;
  prometheus::Counter& timed_out;     // head, body or idle limits
  prometheus::Counter& slow_readers;  // cut off
  prometheus::Counter& gone;          // clients that left before the end of an answer

  prometheus::Counter& malformed(Malformed kind) const {  // bytes that are no request
    if (kind == Malformed::too_large) return too_large;
    return kind == Malformed::head ? malformed_head : malformed_body;
  }
};

struct ConnectionContext {
  ConnectionLimits limits;
  const Clock& clock;
  Handler& handler;
  ConnectionCounters& counters;
  std::array<char, 64 * 1024> scratch;  // what a read fills; used within one call only
  std::string chunk;                    // what a write sends; the same
  bool draining = false;                // answers close their connections
};

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  using Closed = std::function<void(Connection&)>;
  Connection(std::unique_ptr<Channel> channel, ConnectionContext& context, Closed closed);

  void start();
  void sweep(Instant now);  // enforces the time limits
  void close();             // drops it at once
  // Nothing is asked, answered or unsent.
  bool idle() const {
    return !exchange_open_ && !lingering_ && unsent_.empty() && reader_.kept_bytes() == 0;
  }

 private:
  friend class ConnectionExchange;

  // The last answer is given; it may not be out yet.
  bool ending() const { return lingering_ || (close_after_ && !exchange_open_); }
  // So much waits for the client to read that no other request is answered meanwhile.
  bool backed_up() const {
    return unsent_.size() - sent_ > context_.limits.stream_buffer_bytes_max;
  }
  void wait_readable();
  void on_readable();
  void progress();
  bool head_read();
  void dispatch();
  void refuse(Response response);
  void send(std::string_view bytes);
  void send(std::string_view bytes, Instant now);
  void flush();
  size_t write_some(std::string_view bytes, boost::system::error_code& error);
  void written(boost::system::error_code error);
  void wait_writable();
  void answer_ended();
  void linger();
  void client_gone(prometheus::Counter& counter);
  void close_soon();

  // The exchange's calls.
  void respond(Response response);
  void begin(Response head, std::string_view comment);
  void write(std::string_view data);
  void end();
  void dropped();

  boost::asio::ip::tcp::socket& socket() { return channel_->socket(); }

  // What each write of a stream needs stands together: of thousands of streams none is in a cache.
  ConnectionContext& context_;
  std::unique_ptr<Channel> channel_;
  uint64_t exchange_ = 0;  // counts exchanges; a stale one's calls do nothing
  bool exchange_open_ = false;
  bool head_only_ = false;
  bool streaming_ = false;
  bool chunked_ = false;
  bool close_after_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool lingering_ = false;
  bool progressing_ = false;
  bool is_closed_ = false;
  Reading phase_ = Reading::head;
  Instant last_write_{};  // of the handler
  Instant last_sent_{};   // progress of the socket
  std::string unsent_;
  size_t sent_ = 0;  // of unsent_

  Closed closed_;
  RequestReader reader_;
  std::function<void()> gone_;
  std::string comment_;
  Instant phase_began_{};  // idle, head or body
  size_t lingered_bytes_ = 0;
};

}  // namespace baton::server::http
