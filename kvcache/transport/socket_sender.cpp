// The socket body of FrameSender: one connection a peer, made when there is something to send.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <map>
#include <set>

#include "base/hash/crc32c.h"
#include "kvcache/frame.h"
#include "kvcache/transport/frame_sender.h"
#include "kvcache/transport/host.h"
#include "kvcache/transport/transfer.h"

namespace baton::kvcache {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// One write carries several frames: small blocks are cheap, and a large one is still a bounded time
// of checksum computing on the I/O thread.
constexpr size_t kBatchFrames = 16;
constexpr size_t kBatchBytes = size_t{256} << 10;

class Channel;

// What channels share. It lives on while one of their handlers runs, but does nothing once closed.
class Hub : public std::enable_shared_from_this<Hub> {
 public:
  Hub(asio::any_io_executor executor, const FrameSenderOptions& options, const PoolMemory& pool,
      const Clock& clock, FrameSenderEvents events, RunningDigests* digests)
      : executor_(std::move(executor)),
        options_(options),
        pool_(pool),
        digests_(digests),
        clock_(clock),
        events_(std::move(events)),
        timer_(executor_) {
    hello_.format = pool.format();
    hello_.pool_bytes = pool.bytes().size();
    hello_.host = this_host();
    if (options_.shared_memory && pool.shared_name().size() <= Hello::kNameMax) {
      hello_.shared_name = pool.shared_name();
    }
  }

  bool post(const std::string& address, std::span<const OutgoingFrame> frames);
  void forget(SessionId session);
  void close();

  // From channels:
  void written(const std::vector<OutgoingFrame>& batch, bool shared);
  void down(Channel& channel, const Error& why);

  asio::any_io_executor executor_;
  const FrameSenderOptions options_;
  const PoolMemory& pool_;
  RunningDigests* const digests_;  // nullptr: none
  const Clock& clock_;
  FrameSenderEvents events_;
  Hello hello_;
  FrameSenderCounts counts_;
  std::map<SessionId, size_t> waiting_;  // frames of sessions that wait or are being written
  bool closed_ = false;

 private:
  void open(const std::string& address, std::deque<OutgoingFrame> frames);
  void start_timer();
  void check_deadlines();

  std::map<std::string, std::shared_ptr<Channel>> channels_;
  size_t waiting_total_ = 0;
  asio::steady_timer timer_;
  bool timer_runs_ = false;
};

// One connection to one peer: connect, hello, answer, then frames. It ends once and for all; the
// frames it still had go to its successor or are dropped.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  Channel(std::weak_ptr<Hub> hub, const asio::any_io_executor& executor, std::string address,
          std::deque<OutgoingFrame> frames)
      : address_(std::move(address)),
        queue_(std::move(frames)),
        hub_(std::move(hub)),
        resolver_(executor),
        socket_(executor) {}

  void start(Hub& hub);
  void append(Hub& hub, std::span<const OutgoingFrame> frames);
  void close();
  bool late(Instant now) const { return deadline_ <= now; }

  // Drops the session's frames; true if one of its blocks may be being read: close this channel.
  bool forget(SessionId session);
  // What is not written, or not known to be; of a batch that is being written, all.
  std::deque<OutgoingFrame> take_frames();

  const std::string address_;

 private:
  void connect(Hub& hub, const tcp::resolver::results_type& endpoints);
  void greet(Hub& hub);
  void take_answer(Hub& hub);
  void watch();
  void pump(Hub& hub);
  void down(Hub& hub, std::string_view doing, const error_code& error);

  // Runs `next(hub, error, ...)` unless the sender or this channel has ended meanwhile.
  template <class Next>
  auto then(Next next) {
    return [self = shared_from_this(), next](const error_code& error, auto&&... rest) {
      const auto hub = self->hub_.lock();
      if (hub && !hub->closed_ && !self->closed_) next(*hub, error, rest...);
    };
  }

  std::deque<OutgoingFrame> queue_;
  std::vector<OutgoingFrame> batch_;  // being written, and not forgotten
  std::vector<std::array<std::byte, WireFrame::kBytes>> headers_;
  std::vector<asio::const_buffer> buffers_;
  std::weak_ptr<Hub> hub_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  Instant deadline_;
  std::array<std::byte, Hello::kBytes> hello_{};
  std::array<std::byte, HelloAnswer::kBytes> answer_{};
  std::array<std::byte, 1> unexpected_{};  // nothing comes after the answer
  bool established_ = false;
  bool writing_ = false;
  bool shared_ = false;
  bool closed_ = false;
};

// ---- a channel ---------------------------------------------------------------------------------

void Channel::start(Hub& hub) {
  deadline_ = hub.clock_.now() + hub.options_.connect_timeout;
  const auto endpoint = parse_endpoint(address_);
  if (!endpoint) {
    const auto next = [this, why = endpoint.error()](Hub& hub, const error_code&) {
      hub.down(*this, why);
    };
    asio::post(socket_.get_executor(), [handler = then(next)]() { handler(error_code()); });
    return;
  }
  const auto next = [this](Hub& hub, const error_code& error,
                           const tcp::resolver::results_type& endpoints) {
    if (error) return down(hub, "find", error);
    connect(hub, endpoints);
  };
  resolver_.async_resolve(endpoint->host, endpoint->port, then(next));
}

void Channel::connect(Hub&, const tcp::resolver::results_type& endpoints) {
  const auto next = [this](Hub& hub, const error_code& error, const tcp::endpoint&) {
    if (error) return down(hub, "connect to", error);
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    greet(hub);
  };
  asio::async_connect(socket_, endpoints, then(next));
}

void Channel::greet(Hub& hub) {
  hello_ = encode(hub.hello_);
  const auto read = [this](Hub& hub, const error_code& error, size_t) {
    if (error) return down(hub, "hear the answer of", error);
    take_answer(hub);
  };
  const auto next = [this, read](Hub& hub, const error_code& error, size_t) {
    if (error) return down(hub, "greet", error);
    asio::async_read(socket_, asio::buffer(answer_), then(read));
  };
  asio::async_write(socket_, asio::buffer(hello_), then(next));
}

void Channel::take_answer(Hub& hub) {
  const auto answer = decode_answer(answer_);
  if (!answer) return hub.down(*this, answer.error());
  if (answer->verdict == HelloAnswer::Verdict::refused) {
    return hub.down(
        *this, fail(ErrorCode::unsupported, "{} refuses frames: {}", address_, answer->reason));
  }
  shared_ = answer->verdict == HelloAnswer::Verdict::payload_shared;
  if (shared_ && hub.hello_.shared_name.empty()) {
    return hub.down(
        *this, fail(ErrorCode::corrupt, "{} wants to map a pool that was not offered", address_));
  }
  established_ = true;
  ++hub.counts_.connections;
  watch();
  pump(hub);
}

// Only the end of the connection is to be read; it tells that the peer is gone while nothing is
// sent.
void Channel::watch() {
  const auto next = [this](Hub& hub, const error_code& error, size_t) {
    down(hub, "go on sending to", error ? error : make_error_code(asio::error::invalid_argument));
  };
  asio::async_read(socket_, asio::buffer(unexpected_), then(next));
}

void Channel::append(Hub& hub, std::span<const OutgoingFrame> frames) {
  queue_.insert(queue_.end(), frames.begin(), frames.end());
  pump(hub);
}

void Channel::pump(Hub& hub) {
  if (!established_ || writing_) return;
  deadline_ = hub.clock_.now() + hub.options_.idle_timeout;
  if (queue_.empty()) return;
  deadline_ = hub.clock_.now() + hub.options_.write_timeout;
  writing_ = true;
  headers_.clear();
  buffers_.clear();
  headers_.reserve(kBatchFrames);  // buffers point into it
  for (size_t bytes = 0; !queue_.empty() && batch_.size() < kBatchFrames && bytes < kBatchBytes;) {
    OutgoingFrame& frame = batch_.emplace_back(queue_.front());
    queue_.pop_front();
    const auto block = hub.pool_.block(frame.page, frame.header.layer).first(frame.header.length);
    frame.header.crc32c = crc32c(block);
    if (hub.digests_ != nullptr)
      hub.digests_->add(frame.job, frame.page, frame.header.layer, block);
    const uint64_t offset = shared_ ? hub.pool_.offset_of(frame.page, frame.header.layer) : 0;
    headers_.push_back(encode(WireFrame{frame.header, shared_, offset}));
    buffers_.push_back(asio::buffer(headers_.back()));
    if (!shared_) buffers_.push_back(asio::buffer(block.data(), block.size()));
    bytes += block.size();
  }
  const auto next = [this](Hub& hub, const error_code& error, size_t) {
    if (error) return down(hub, "send to", error);
    std::vector<OutgoingFrame> done;
    done.swap(batch_);
    writing_ = false;
    pump(hub);
    hub.written(done, shared_);
  };
  asio::async_write(socket_, buffers_, LargePieces{}, then(next));
}

bool Channel::forget(SessionId session) {
  const auto of_session = [&](const OutgoingFrame& f) { return f.header.session == session; };
  std::erase_if(queue_, of_session);
  // A header that is under way reads no block; the peer's copy of a changed one fails its check.
  return std::erase_if(batch_, of_session) > 0 && !shared_;
}

std::deque<OutgoingFrame> Channel::take_frames() {
  std::deque<OutgoingFrame> out;
  out.swap(queue_);
  out.insert(out.begin(), batch_.begin(), batch_.end());
  batch_.clear();
  return out;
}

void Channel::close() {
  closed_ = true;
  error_code ignored;
  resolver_.cancel();
  socket_.close(ignored);  // a write under way reads no buffer any more
}

void Channel::down(Hub& hub, std::string_view doing, const error_code& error) {
  hub.down(*this,
           fail(ErrorCode::unavailable, "can't {} {}: {}", doing, address_,
                error == asio::error::eof ? "the peer closed the connection" : error.message()));
}

// ---- the hub -----------------------------------------------------------------------------------

bool Hub::post(const std::string& address, std::span<const OutgoingFrame> frames) {
  if (frames.empty()) return true;
  const auto found = channels_.find(address);
  if (frames.size() > options_.waiting_max - waiting_total_) return false;
  if (found == channels_.end() && channels_.size() >= options_.peers_max) return false;
  for (const OutgoingFrame& frame : frames) ++waiting_[frame.header.session];
  waiting_total_ += frames.size();
  if (found != channels_.end()) {
    found->second->append(*this, frames);
  } else {
    open(address, {frames.begin(), frames.end()});
  }
  return true;
}

void Hub::open(const std::string& address, std::deque<OutgoingFrame> frames) {
  auto channel = std::make_shared<Channel>(weak_from_this(), executor_, address, std::move(frames));
  channels_[address] = channel;
  channel->start(*this);
  if (!timer_runs_) start_timer();
}

void Hub::forget(SessionId session) {
  const auto found = waiting_.find(session);
  if (found == waiting_.end()) return;
  waiting_total_ -= found->second;
  waiting_.erase(found);
  std::vector<std::shared_ptr<Channel>> cut;
  for (const auto& [address, channel] : channels_) {
    if (channel->forget(session)) cut.push_back(channel);
  }
  for (const auto& channel : cut) {
    auto left = channel->take_frames();
    channel->close();
    channels_.erase(channel->address_);
    if (!left.empty()) open(channel->address_, std::move(left));
  }
}

void Hub::written(const std::vector<OutgoingFrame>& batch, bool shared) {
  std::vector<SessionId> ready;
  for (const OutgoingFrame& frame : batch) {
    ++counts_.frames;
    counts_.bytes += frame.header.length;
    counts_.shared += shared;
    const auto found = waiting_.find(frame.header.session);
    if (found == waiting_.end()) continue;  // forgotten
    --waiting_total_;
    if (--found->second > 0) continue;
    waiting_.erase(found);
    ready.push_back(frame.header.session);
  }
  for (const SessionId session : ready) {
    if (closed_) return;
    if (!waiting_.contains(session) && events_.on_written) events_.on_written(session);
  }
}

void Hub::down(Channel& channel, const Error& why) {
  const auto keep = channel.shared_from_this();
  const auto left = channel.take_frames();
  channel.close();
  channels_.erase(channel.address_);
  std::set<SessionId> sessions;
  for (const OutgoingFrame& frame : left) {
    const auto found = waiting_.find(frame.header.session);
    if (found == waiting_.end()) continue;  // forgotten
    ++counts_.dropped;
    --waiting_total_;
    if (--found->second == 0) waiting_.erase(found);
    sessions.insert(frame.header.session);
  }
  if (sessions.empty() || !events_.on_down) return;  // an idle connection ended: nobody misses it
  events_.on_down(channel.address_, {sessions.begin(), sessions.end()}, why);
}

void Hub::start_timer() {
  timer_runs_ = true;
  timer_.expires_after(options_.check_interval);
  timer_.async_wait([hub = weak_from_this()](const error_code& error) {
    const auto self = hub.lock();
    if (!error && self && !self->closed_) self->check_deadlines();
  });
}

void Hub::check_deadlines() {
  timer_runs_ = false;
  const Instant now = clock_.now();
  std::vector<std::shared_ptr<Channel>> late;
  for (const auto& [address, channel] : channels_) {
    if (channel->late(now)) late.push_back(channel);
  }
  for (const auto& channel : late) {
    if (closed_) return;  // by an event
    const auto found = channels_.find(channel->address_);
    if (found == channels_.end() || found->second != channel) continue;
    down(*channel,
         fail(ErrorCode::deadline_exceeded, "{} did not take frames in time", channel->address_));
  }
  if (!channels_.empty() && !closed_ && !timer_runs_) start_timer();
}

void Hub::close() {
  closed_ = true;
  timer_.cancel();
  for (const auto& [address, channel] : channels_) channel->close();
  channels_.clear();
}

class SocketSender final : public FrameSender {
 public:
  explicit SocketSender(std::shared_ptr<Hub> hub) : hub_(std::move(hub)) {}
  ~SocketSender() override { hub_->close(); }
  bool post(const std::string& address, std::span<const OutgoingFrame> frames) override {
    return hub_->post(address, frames);
  }
  void forget(SessionId session) override { hub_->forget(session); }
  size_t waiting(SessionId session) const override {
    const auto found = hub_->waiting_.find(session);
    return found == hub_->waiting_.end() ? 0 : found->second;
  }
  const FrameSenderCounts& counts() const override { return hub_->counts_; }

 private:
  std::shared_ptr<Hub> hub_;
};

}  // namespace

std::unique_ptr<FrameSender> make_socket_sender(asio::any_io_executor executor,
                                                const FrameSenderOptions& options,
                                                const PoolMemory& pool, const Clock& clock,
                                                FrameSenderEvents events, RunningDigests* digests) {
  return std::make_unique<SocketSender>(
      std::make_shared<Hub>(std::move(executor), options, pool, clock, std::move(events), digests));
}

}  // namespace baton::kvcache
