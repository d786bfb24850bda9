#include "kvcache/transport/frame_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <set>

#include "base/system/mapping.h"
#include "kvcache/frame.h"
#include "kvcache/transport/host.h"

namespace baton::kvcache {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr size_t kUndigestedMax = 1 << 14;  // landed blocks that wait for a quiet moment
constexpr Duration kQuiet = 300us;          // so long nothing has landed

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
        acceptor_(executor_),
        timer_(executor_),
        quiet_(executor_) {}

  Result<void> listen();
  void accept();
  void check_deadlines();
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
  std::string address_;
  tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  std::set<std::shared_ptr<Connection>> connections_;
  FrameServerCounts counts_;
  std::deque<FrameHeader> undigested_;  // landed, oldest first
  asio::steady_timer quiet_;
  bool waits_for_quiet_ = false;
  bool digesting_ = false;  // digest_in_quiet() is posted
  bool accepting_ = false;
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
  void read_header(Hub& hub);
  void take_header(Hub& hub);
  void read_payload(Hub& hub, bool wanted);
  void landed(Hub& hub, const Landing& landing);
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
  std::vector<std::byte> staging_;  // if they follow; one block
  std::array<std::byte, Hello::kBytes> hello_{};
  std::array<std::byte, HelloAnswer::kBytes> answer_{};
  std::array<std::byte, WireFrame::kBytes> header_{};
  WireFrame frame_;
};

// ---- the hub -----------------------------------------------------------------------------------

Result<void> FrameServer::Hub::listen() {
  error_code error;
  tcp::resolver resolver(executor_);
  const auto found =
      resolver.resolve(options_.host, std::to_string(options_.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return fail(ErrorCode::invalid_argument, "can't find the host {} to listen on for frames: {}",
                options_.host, error.message());
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return fail(ErrorCode::unavailable, "can't listen for frames on {}:{}: {}", options_.host,
                options_.port, error.message());
  }
  address_ = to_string(Endpoint{options_.host, std::to_string(acceptor_.local_endpoint().port())});
  accept();
  check_deadlines();
  return {};
}

void FrameServer::Hub::accept() {
  accepting_ = true;
  acceptor_.async_accept([hub = weak_from_this()](const error_code& error, tcp::socket socket) {
    const auto self = hub.lock();
    if (!self || self->closed_) return;
    self->accepting_ = false;
    if (error) return;  // out of descriptors: check_deadlines() tries again
    if (self->connections_.size() < self->options_.connections_max) {
      ++self->counts_.connections;
      auto connection = std::make_shared<Connection>(std::move(socket), hub);
      self->connections_.insert(connection);
      connection->start(*self);
    } else {
      ++self->counts_.refused;
    }
    self->accept();
  });
}

void FrameServer::Hub::check_deadlines() {
  const Instant now = clock_.now();
  for (auto it = connections_.begin(); it != connections_.end();) {
    if ((*it)->late(now)) {
      ++counts_.timeouts;
      (*it)->close();
      it = connections_.erase(it);
    } else {
      ++it;
    }
  }
  if (!accepting_) accept();
  timer_.expires_after(options_.check_interval);
  timer_.async_wait([hub = weak_from_this()](const error_code& error) {
    const auto self = hub.lock();
    if (!error && self && !self->closed_) self->check_deadlines();
  });
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
  for (const auto& connection : connections_)
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
  error_code ignored;
  acceptor_.close(ignored);
  timer_.cancel();
  quiet_.cancel();
  for (const auto& connection : connections_) connection->close();
  connections_.clear();
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
    read_header(hub);
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
      ++hub.counts_.shared;
      return {HelloAnswer::Verdict::payload_shared, {}};
    }
  }
  staging_.resize(own.block_bytes());
  return {HelloAnswer::Verdict::payload_follows, {}};
}

void FrameServer::Connection::read_header(Hub& hub) {
  deadline_ = hub.clock_.now() + hub.options_.idle_timeout;
  const auto next = [this](Hub& hub, const error_code& error, size_t bytes) {
    if (error) return end(hub, bytes > 0 ? &hub.counts_.torn : nullptr);
    take_header(hub);
  };
  asio::async_read(socket_, asio::buffer(header_), then(next));
}

void FrameServer::Connection::take_header(Hub& hub) {
  const auto frame = decode_frame(header_, rules_);
  if (!frame) return end(hub, &hub.counts_.violations);
  frame_ = *frame;
  if (!frame_.shared) {
    deadline_ = hub.clock_.now() + hub.options_.frame_timeout;
    const FrameVerdict verdict = hub.receiver_.admit(frame_.header);
    if (verdict == FrameVerdict::admitted) return read_payload(hub, true);
    Landing refused;
    refused.verdict = verdict;
    refused.session = frame_.header.session;
    refused.job = hub.receiver_.job_of(frame_.header.session);
    refused.frame = {frame_.header.layer, frame_.header.page};
    refused.complete = refused.job && hub.receiver_.complete(*refused.job);
    hub.on_landing_(refused);
    if (!hub.closed_ && socket_.is_open()) read_payload(hub, false);
    return;
  }
  const auto bytes = peer_pool_.bytes().subspan(frame_.offset, frame_.header.length);
  landed(hub, land(hub.receiver_, hub.pool_, frame_.header, bytes, hub.clock_.now()));
}

void FrameServer::Connection::read_payload(Hub& hub, bool wanted) {
  const auto next = [this, wanted](Hub& hub, const error_code& error, size_t) {
    if (error) return end(hub, &hub.counts_.torn);
    if (!wanted) return read_header(hub);
    const auto bytes = std::span(staging_).first(frame_.header.length);
    landed(hub, land(hub.receiver_, hub.pool_, frame_.header, bytes, hub.clock_.now()));
  };
  (void)hub;
  asio::async_read(socket_, asio::buffer(staging_.data(), frame_.header.length), then(next));
}

void FrameServer::Connection::landed(Hub& hub, const Landing& landing) {
  hub.counts_.bytes += landing.bytes;
  if (landing.verdict == FrameVerdict::admitted) hub.digest_later(frame_.header);
  hub.on_landing_(landing);
  if (!hub.closed_ && socket_.is_open()) read_header(hub);
}

void FrameServer::Connection::end(Hub& hub, uint64_t* counter) {
  if (counter != nullptr) ++*counter;
  close();
  hub.connections_.erase(shared_from_this());
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
const std::string& FrameServer::address() const { return hub_->address_; }
size_t FrameServer::connections() const { return hub_->connections_.size(); }
const FrameServerCounts& FrameServer::counts() const { return hub_->counts_; }

}  // namespace baton::kvcache
