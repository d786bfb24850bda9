#include "kvcache/transport/frame_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <optional>

#include "base/system/mapping.h"
#include "kvcache/frame.h"
#include "kvcache/transport/host.h"
#include "kvcache/transport/listener.h"

namespace baton::kvcache {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr size_t kUndigestedMax = 1 << 14;  // landed blocks that wait for a quiet moment
constexpr Duration kQuiet = 300us;          // so long nothing has landed

// Received at a time from a connection: less than what a core's cache holds, so that a block is
// still there when it is copied; of headers alone so many that their blocks keep others waiting for
// a millisecond at most.
constexpr size_t kStagingBytes = size_t{256} << 10;
constexpr size_t kSharedFrames = 16;

// In their place blocks are received with the header that follows, in one call. So much of one
// connection, then it's the others' turn; of a refused payload so much at a time.
constexpr size_t kTurnBytes = size_t{512} << 10;
constexpr size_t kRefusedBytes = size_t{16} << 10;

}  // namespace

// What connections share. It lives on while one of their handlers runs, but does nothing once
// closed.
class FrameServer::Hub : public std::enable_shared_from_this<FrameServer::Hub> {
 public:
  Hub(asio::any_io_executor executor, const FrameServerOptions& options, HandoffReceiver& receiver,
      PoolMemory& pool, const Clock& clock, std::function<void(const Landing&)> on_landing,
      RunningDigests* digests)
      : executor_(std::move(executor)),
        options_(options),
        receiver_(receiver),
        pool_(pool),
        digests_(digests),
        clock_(clock),
        on_landing_(std::move(on_landing)),
        host_(this_host()),
        listener_(executor_,
                  {options.host, options.port, options.connections_max, options.check_interval},
                  clock),
        quiet_(executor_) {}

  Result<void> listen();
  void tell(const Landing& landing);
  void digest_later(const FrameHeader& landed);
  void wait_for_quiet();
  void digest_in_quiet();
  void close();

  asio::any_io_executor executor_;
  const FrameServerOptions options_;
  HandoffReceiver& receiver_;
  PoolMemory& pool_;
  RunningDigests* const digests_;  // nullptr: none
  const Clock& clock_;
  std::function<void(const Landing&)> on_landing_;
  const HostIdentity host_;
  Listener<Connection> listener_;
  FrameServerCounts counts_;
  std::deque<FrameHeader> undigested_;  // landed, oldest first
  asio::steady_timer quiet_;
  bool waits_for_quiet_ = false;
  bool digesting_ = false;  // digest_in_quiet() is posted
  bool closed_ = false;
};

// One peer: hello, answer, then header, payload, header, payload. One operation at a time.
class FrameServer::Connection : public std::enable_shared_from_this<FrameServer::Connection> {
 public:
  Connection(tcp::socket socket, std::weak_ptr<Hub> hub)
      : socket_(std::move(socket)), hub_(std::move(hub)) {}

  void start(Hub& hub);
  void close();
  bool late(Instant now) const { return deadline_ <= now; }
  bool has_bytes() const {
    error_code ignored;
    return socket_.available(ignored) > 0;
  }

 private:
  void answer(Hub& hub);
  HelloAnswer judge(Hub& hub, const Hello& hello);
  void wait_for_more(Hub& hub, bool fresh);
  void read_frames(Hub& hub);
  void take_frames(Hub& hub);
  void read_in_place(Hub& hub);
  std::array<asio::mutable_buffer, 2> room(Hub& hub);
  bool take_in_place(Hub& hub, size_t bytes);
  bool is_inside() const { return filled_ > 0 || coming_; }  // a frame
  void end(Hub& hub, uint64_t* counter);

  // Runs `next(hub, error, bytes)` unless the server or this connection has ended meanwhile.
  template <class Next>
  auto then(Next next) {
    return [self = shared_from_this(), next](const error_code& error, size_t bytes) {
      const auto hub = self->hub_.lock();
      if (hub && !hub->closed_ && self->socket_.is_open()) next(*hub, error, bytes);
    };
  }

  tcp::socket socket_;
  std::weak_ptr<Hub> hub_;
  Instant deadline_;
  FrameRules rules_;
  Mapping peer_pool_;               // if payloads are shared
  std::vector<std::byte> staging_;  // headers, and payloads if they follow
  size_t filled_ = 0;               // of it
  std::vector<std::byte> refused_;  // what is thrown away
  bool inside_ = false;             // a frame has begun to come
  bool in_place_ = false;           // payloads are received there; then only headers are staged
  struct Coming {                   // its payload is under way
    FrameHeader header;
    size_t received = 0;
    std::optional<Landing> refused;
  };
  std::optional<Coming> coming_;
  std::array<std::byte, Hello::kBytes> hello_{};
  std::array<std::byte, HelloAnswer::kBytes> answer_{};
};

// ---- the hub -----------------------------------------------------------------------------------

Result<void> FrameServer::Hub::listen() {
  return listener_.listen(
      weak_from_this(),
      [this](tcp::socket socket) {
        return std::make_shared<Connection>(std::move(socket), weak_from_this());
      },
      [this](Connection& connection) { connection.start(*this); });
}

void FrameServer::Hub::tell(const Landing& landing) {
  counts_.bytes += landing.bytes;
  counts_.digested += landing.digested;
  on_landing_(landing);
}

void FrameServer::Hub::digest_later(const FrameHeader& landed) {
  if (digests_ == nullptr) return;
  if (undigested_.size() == kUndigestedMax) undigested_.pop_front();
  undigested_.push_back(landed);
  if (!waits_for_quiet_ && !digesting_) wait_for_quiet();
}

void FrameServer::Hub::wait_for_quiet() {
  waits_for_quiet_ = true;
  quiet_.expires_after(kQuiet);
  quiet_.async_wait([hub = weak_from_this(), before = counts_.bytes](const error_code& error) {
    const auto self = hub.lock();
    if (error || !self || self->closed_) return;
    self->waits_for_quiet_ = false;
    if (self->counts_.bytes == before) return self->digest_in_quiet();
    self->wait_for_quiet();
  });
}

// One block at a time, so that nothing waits for more than that.
void FrameServer::Hub::digest_in_quiet() {
  digesting_ = false;
  if (undigested_.empty()) return;
  for (const auto& connection : listener_.connections())
    if (connection->has_bytes()) return wait_for_quiet();
  const FrameHeader frame = undigested_.front();
  undigested_.pop_front();
  if (receiver_.holds(frame)) {
    ++counts_.digested;
    const PageId page = receiver_.page_of(frame);
    digests_->add(*receiver_.job_of(frame.session), page, frame.layer,
                  std::as_const(pool_).block(page, frame.layer).first(frame.length));
  }
  digesting_ = true;
  asio::post(executor_, [hub = weak_from_this()] {
    if (const auto self = hub.lock(); self && !self->closed_) self->digest_in_quiet();
  });
}

void FrameServer::Hub::close() {
  closed_ = true;
  quiet_.cancel();
  listener_.close();
}

// ---- a connection ------------------------------------------------------------------------------

void FrameServer::Connection::start(Hub& hub) {
  deadline_ = hub.clock_.now() + hub.options_.hello_timeout;
  const auto next = [this](Hub& hub, const error_code& error, size_t) {
    if (error) return end(hub, nullptr);
    answer(hub);
  };
  asio::async_read(socket_, asio::buffer(hello_), then(next));
}

void FrameServer::Connection::answer(Hub& hub) {
  const auto hello = decode_hello(hello_);
  if (!hello && hello.error().code != ErrorCode::unsupported) {
    return end(hub, &hub.counts_.violations);
  }
  const HelloAnswer says = hello
                               ? judge(hub, *hello)
                               : HelloAnswer{HelloAnswer::Verdict::refused, hello.error().message};
  answer_ = encode(says);
  const bool refused = says.verdict == HelloAnswer::Verdict::refused;
  const auto next = [this, refused](Hub& hub, const error_code& error, size_t) {
    if (error || refused) return end(hub, refused ? &hub.counts_.refused : nullptr);
    error_code ignored;
    if (in_place_) socket_.non_blocking(true, ignored);
    wait_for_more(hub, true);
  };
  asio::async_write(socket_, asio::buffer(answer_), then(next));
}

HelloAnswer FrameServer::Connection::judge(Hub& hub, const Hello& hello) {
  const PageFormat& own = hub.pool_.format();
  if (hello.format != own) {
    return {
        HelloAnswer::Verdict::refused,
        fmt::format("the cache here has {} layers of {} bytes a token, not {} of {}", own.layers,
                    own.entry_bytes, hello.format.layers, hello.format.entry_bytes)};
  }
  rules_ = {own, false, hello.pool_bytes};
  if (!hello.shared_name.empty() && hub.options_.shared_memory &&
      same_host(hello.host, hub.host_)) {
    auto mapping = Mapping::open_shared(hello.shared_name);
    if (mapping && mapping->bytes().size() == hello.pool_bytes) {
      peer_pool_ = std::move(*mapping);
      rules_.shared = true;
      staging_.resize(kSharedFrames * WireFrame::kBytes);
      ++hub.counts_.shared;
      return {HelloAnswer::Verdict::payload_shared, {}};
    }
  }
  in_place_ = own.block_bytes() >= hub.options_.in_place_from;
  if (in_place_) {
    staging_.resize(WireFrame::kBytes);
    refused_.resize(std::min(kRefusedBytes, own.block_bytes()));
  } else {
    staging_.resize(std::max(kStagingBytes, WireFrame::kBytes + own.block_bytes()));
  }
  return {HelloAnswer::Verdict::payload_follows, {}};
}

// Whoever sends part of a frame has until its deadline for the rest, however often something comes.
void FrameServer::Connection::wait_for_more(Hub& hub, bool fresh) {
  const bool inside = is_inside();
  if (fresh || inside != inside_)
    deadline_ =
        hub.clock_.now() + (inside ? hub.options_.frame_timeout : hub.options_.idle_timeout);
  inside_ = inside;
  if (!in_place_) return read_frames(hub);
  const auto next = [self = shared_from_this()](const error_code& error) {
    const auto hub = self->hub_.lock();
    if (!hub || hub->closed_ || !self->socket_.is_open()) return;
    if (error) return self->end(*hub, self->is_inside() ? &hub->counts_.torn : nullptr);
    self->read_in_place(*hub);
  };
  socket_.async_wait(tcp::socket::wait_read, next);
}

// As much as is there and fits: many frames at a time, if they come so fast.
void FrameServer::Connection::read_frames(Hub&) {
  const auto next = [this](Hub& hub, const error_code& error, size_t bytes) {
    if (error) return end(hub, is_inside() ? &hub.counts_.torn : nullptr);
    filled_ += bytes;
    take_frames(hub);
  };
  socket_.async_read_some(asio::buffer(staging_.data() + filled_, staging_.size() - filled_),
                          then(next));
}

// Lands all frames that have come whole; what is left is the beginning of the next.
void FrameServer::Connection::take_frames(Hub& hub) {
  size_t at = 0;
  while (filled_ - at >= WireFrame::kBytes) {
    const auto here = std::span<const std::byte>(staging_).subspan(at, filled_ - at);
    const auto frame = decode_frame(here.first<WireFrame::kBytes>(), rules_);
    if (!frame) return end(hub, &hub.counts_.violations);
    const FrameHeader& header = frame->header;
    const size_t whole = WireFrame::kBytes + (frame->shared ? 0 : header.length);
    if (here.size() < whole) break;
    const auto bytes = frame->shared
                           ? std::as_const(peer_pool_).bytes().subspan(frame->offset, header.length)
                           : here.subspan(WireFrame::kBytes, header.length);
    at += whole;
    // What is copied past the cache is digested when nothing waits for it.
    const bool later = frame->shared;
    const Landing landing = land(hub.receiver_, hub.pool_, header, bytes, hub.clock_.now(),
                                 later ? nullptr : hub.digests_);
    if (later && landing.verdict == FrameVerdict::admitted) hub.digest_later(header);
    hub.tell(landing);
    if (hub.closed_ || !socket_.is_open()) return;
  }
  std::copy(staging_.begin() + static_cast<ptrdiff_t>(at),
            staging_.begin() + static_cast<ptrdiff_t>(filled_), staging_.begin());
  filled_ -= at;
  wait_for_more(hub, at > 0);
}

// ---- payloads in their place -------------------------------------------------------------------

void FrameServer::Connection::read_in_place(Hub& hub) {
  bool fresh = false;
  for (size_t turn = 0; turn < kTurnBytes;) {
    error_code error;
    const size_t bytes = socket_.read_some(room(hub), error);
    if (error == asio::error::would_block || error == asio::error::try_again) break;
    if (error) return end(hub, is_inside() ? &hub.counts_.torn : nullptr);
    turn += bytes;
    const bool inside = coming_.has_value();
    if (!take_in_place(hub, bytes)) return;
    fresh = fresh || (inside && (!coming_ || coming_->received == 0));
  }
  wait_for_more(hub, fresh);
}

// Where what comes next belongs: the rest of the payload, the next header. The receiver is asked
// anew, since the session may have ended meanwhile; nothing else runs until the bytes are there.
std::array<asio::mutable_buffer, 2> FrameServer::Connection::room(Hub& hub) {
  const auto header = asio::buffer(staging_.data() + filled_, staging_.size() - filled_);
  if (!coming_) return {header, asio::mutable_buffer()};
  const size_t rest = coming_->header.length - coming_->received;
  if (!coming_->refused) {
    const Place place = place_of(hub.receiver_, hub.pool_, coming_->header);
    if (!place.block.empty()) {
      const auto block = place.block.subspan(coming_->received);
      return {asio::buffer(block.data(), block.size()), header};
    }
    coming_->refused = place.landing;
  }
  if (rest > refused_.size()) return {asio::buffer(refused_), asio::mutable_buffer()};
  return {asio::buffer(refused_.data(), rest), header};
}

// False: the connection has ended.
bool FrameServer::Connection::take_in_place(Hub& hub, size_t bytes) {
  if (coming_) {
    const size_t rest = coming_->header.length - coming_->received;
    const size_t payload = std::min(bytes, rest);
    coming_->received += payload;
    bytes -= payload;
    if (payload == rest) {
      const Coming whole = *std::exchange(coming_, std::nullopt);
      hub.tell(whole.refused ? *whole.refused
                             : land_in_place(hub.receiver_, hub.pool_, whole.header,
                                             hub.clock_.now(), hub.digests_));
      if (hub.closed_ || !socket_.is_open()) return false;
    }
  }
  filled_ += bytes;
  if (filled_ < WireFrame::kBytes) return true;
  const auto frame =
      decode_frame(std::span<const std::byte>(staging_).first<WireFrame::kBytes>(), rules_);
  if (!frame) {
    end(hub, &hub.counts_.violations);
    return false;
  }
  filled_ = 0;
  coming_ = Coming{frame->header, 0, std::nullopt};
  return true;
}

void FrameServer::Connection::end(Hub& hub, uint64_t* counter) {
  if (counter != nullptr) ++*counter;
  close();
  hub.listener_.erase(shared_from_this());
}

void FrameServer::Connection::close() {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  socket_.close(ignored);
}

// ---- the server --------------------------------------------------------------------------------

Result<std::unique_ptr<FrameServer>> FrameServer::listen(
    asio::any_io_executor executor, const FrameServerOptions& options, HandoffReceiver& receiver,
    PoolMemory& pool, const Clock& clock, std::function<void(const Landing&)> on_landing,
    RunningDigests* digests) {
  auto hub = std::make_shared<Hub>(std::move(executor), options, receiver, pool, clock,
                                   std::move(on_landing), digests);
  BATON_CHECKED(hub->listen());
  return std::unique_ptr<FrameServer>(new FrameServer(std::move(hub)));
}

FrameServer::FrameServer(std::shared_ptr<Hub> hub) : hub_(std::move(hub)) {}
FrameServer::~FrameServer() { hub_->close(); }
const std::string& FrameServer::address() const { return hub_->listener_.address(); }
size_t FrameServer::connections() const { return hub_->listener_.connections().size(); }
FrameServerCounts FrameServer::counts() const {
  FrameServerCounts counts = hub_->counts_;
  const ListenerCounts& listener = hub_->listener_.counts();
  counts.connections = listener.connections;
  counts.refused += listener.refused;
  counts.timeouts = listener.timeouts;
  return counts;
}

}  // namespace baton::kvcache
