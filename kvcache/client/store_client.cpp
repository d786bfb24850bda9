#include "kvcache/client/store_client.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <nlohmann/json.hpp>

#include "kvcache/store/wire.h"
#include "kvcache/transport/host.h"
#include "kvcache/transport/transfer.h"

namespace baton::kvcache {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

struct Order {
  StoreRequest::Kind kind = StoreRequest::Kind::look_up;
  StoreOrder id;
  std::vector<PageName> names;  // look_up, get
  std::vector<PageId> into;     // get
  std::vector<KeptPage> pages;  // put
  size_t done = 0;              // pages that came or went
  uint32_t stored = 0;
  bool forgotten = false;
  bool again = false;  // on a second connection: the first had gone while it was idle
};

}  // namespace

class StoreClient::Hub : public std::enable_shared_from_this<StoreClient::Hub> {
 public:
  Hub(asio::any_io_executor executor, StoreClientOptions options, PoolMemory& pool,
      const Clock& clock, Log log, StoreClientEvents events)
      : executor_(std::move(executor)),
        options_(std::move(options)),
        pool_(pool),
        clock_(clock),
        log_(std::move(log)),
        events_(std::move(events)),
        timer_(executor_) {}

  void start();
  void close();
  void check_deadlines();

  size_t page_bytes() const { return pool_.format().page_bytes(); }

  asio::any_io_executor executor_;
  const StoreClientOptions options_;
  PoolMemory& pool_;
  const Clock& clock_;
  const Log log_;
  const StoreClientEvents events_;
  StoreClientCounts counts_;
  std::shared_ptr<Channel> reads_, writes_;
  asio::steady_timer timer_;
  bool closed_ = false;
};

// A connection that is made anew when it is needed, and the orders that wait for it.
class StoreClient::Channel : public std::enable_shared_from_this<StoreClient::Channel> {
 public:
  Channel(std::weak_ptr<Hub> hub, const asio::any_io_executor& executor)
      : hub_(std::move(hub)), resolver_(executor), socket_(executor) {}

  void give(Hub& hub, Order order);
  void forget(Hub& hub, const StoreOrder& id, bool late);
  void check_deadline(Hub& hub);
  void close();

 private:
  void start_next();
  void connect(Hub& hub);
  void send(Hub& hub);
  void send_page(Hub& hub);
  void read_answer(Hub& hub);
  void take_answer(Hub& hub);
  void take_page(Hub& hub);
  void take_end(Hub& hub, uint32_t count);
  void take_kept(Hub& hub, uint32_t verdict);
  void finish(Hub& hub, std::optional<uint32_t> held = std::nullopt);
  void cut_late(Hub& hub);
  void down(Hub& hub, const Error& why);
  void wait(Hub& hub, Duration limit) { deadline_ = hub.clock_.now() + limit; }

  // Runs `next(hub, ...)` unless the client has ended or this connection has been given up.
  template <class Next>
  auto then(Next next) {
    return [self = shared_from_this(), life = life_, next](const error_code& error,
                                                           auto&&... rest) {
      const auto hub = self->hub_.lock();
      if (!hub || hub->closed_ || life != self->life_) return;
      if (error) {
        return self->down(
            *hub, fail(ErrorCode::unavailable, "{}",
                       error == asio::error::eof ? "it closed the connection" : error.message()));
      }
      next(*hub, rest...);
    };
  }

  std::weak_ptr<Hub> hub_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  std::deque<Order> orders_;  // the first is being served while `busy_`
  bool busy_ = false;
  bool connected_ = false;
  bool answered_ = true;           // something, since an order that was late was cut
  uint64_t life_ = 0;              // of the connection: handlers of a former one do nothing
  uint32_t id_ = 0;                // of the last request
  uint32_t asked_ = 0, came_ = 0;  // pages of the last get
  uint32_t failures_ = 0;          // in a row
  Instant retry_at_;
  Instant deadline_ = Instant::max();
  std::vector<std::byte> out_;
  std::array<std::byte, StoreAnswer::kBytes> header_{};
  StoreAnswer answer_;
  std::vector<std::byte> page_;
};

// ---- a channel ---------------------------------------------------------------------------------

void StoreClient::Channel::give(Hub& hub, Order order) {
  orders_.push_back(std::move(order));
  if (busy_) return;
  asio::post(hub.executor_, [self = shared_from_this()] { self->start_next(); });
}

void StoreClient::Channel::start_next() {
  const auto hub = hub_.lock();
  if (!hub || hub->closed_ || busy_) return;
  while (!orders_.empty() && orders_.front().forgotten) orders_.pop_front();
  if (orders_.empty()) return;
  if (connected_) {
    busy_ = true;
    return send(*hub);
  }
  if (hub->clock_.now() >= retry_at_) {
    busy_ = true;
    return connect(*hub);
  }
  while (!orders_.empty()) finish(*hub);
}

void StoreClient::Channel::connect(Hub& hub) {
  wait(hub, hub.options_.connect_timeout);
  const auto endpoint = parse_endpoint(hub.options_.address);
  if (!endpoint) return down(hub, endpoint.error());
  auto connected = [this](Hub& h, const tcp::endpoint&) {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    connected_ = true;
    ++h.counts_.connections;
    send(h);
  };
  auto found = [this, connected](Hub&, const tcp::resolver::results_type& endpoints) {
    asio::async_connect(socket_, endpoints, then(connected));
  };
  resolver_.async_resolve(endpoint->host, endpoint->port, then(found));
}

void StoreClient::Channel::send(Hub& hub) {
  wait(hub, hub.options_.progress_timeout);
  Order& order = orders_.front();
  if (order.kind == StoreRequest::Kind::put) return send_page(hub);
  const size_t batch = order.kind == StoreRequest::Kind::get
                           ? std::max<size_t>(hub.options_.batch_bytes / hub.page_bytes(), 1)
                           : kNamesMax;
  asked_ =
      static_cast<uint32_t>(std::min({batch, order.names.size() - order.done, size_t{kNamesMax}}));
  came_ = 0;
  const auto header = encode(StoreRequest{order.kind, ++id_, asked_, 0});
  const auto names = encode_names(std::span(order.names).subspan(order.done, asked_));
  out_.assign(header.begin(), header.end());
  out_.insert(out_.end(), names.begin(), names.end());
  asio::async_write(socket_, asio::buffer(out_), then([this](Hub& h, size_t) { read_answer(h); }));
  const StoreOrder id = order.id;  // the event may forget the order
  if (order.kind == StoreRequest::Kind::get && order.done == 0 && hub.events_.on_begin)
    hub.events_.on_begin(id);
}

void StoreClient::Channel::send_page(Hub& hub) {
  const KeptPage& page = orders_.front().pages[orders_.front().done];
  const std::span<const std::byte> bytes = std::as_const(hub.pool_).page(page.page);
  const auto header =
      encode(StoreRequest{StoreRequest::Kind::put, ++id_, 0, static_cast<uint32_t>(bytes.size())});
  const auto place = encode(PutPlace{page.name, page.depth, stored_digest(page.name, bytes)});
  out_.assign(header.begin(), header.end());
  out_.insert(out_.end(), place.begin(), place.end());
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(out_),
                                                  asio::buffer(bytes.data(), bytes.size())};
  asio::async_write(socket_, buffers, LargePieces{},
                    then([this](Hub& h, size_t) { read_answer(h); }));
}

void StoreClient::Channel::read_answer(Hub& hub) {
  wait(hub, hub.options_.progress_timeout);
  asio::async_read(socket_, asio::buffer(header_),
                   then([this](Hub& h, size_t) { take_answer(h); }));
}

void StoreClient::Channel::take_answer(Hub& hub) {
  const auto answer = decode_answer(header_);
  if (!answer) return down(hub, answer.error());
  answer_ = *answer;
  answered_ = true;
  const StoreRequest::Kind kind = orders_.front().kind;
  using Kind = StoreAnswer::Kind;
  if (answer_.id == id_ && kind == StoreRequest::Kind::look_up && answer_.kind == Kind::held)
    return finish(hub, std::min(answer_.count, asked_));
  if (answer_.id == id_ && kind == StoreRequest::Kind::get && answer_.kind == Kind::end)
    return take_end(hub, answer_.count);
  if (answer_.id == id_ && kind == StoreRequest::Kind::put && answer_.kind == Kind::kept)
    return take_kept(hub, answer_.count);
  if (answer_.id != id_ || kind != StoreRequest::Kind::get || answer_.kind != Kind::page ||
      answer_.bytes != hub.page_bytes() || came_ == asked_)
    return down(hub, fail(ErrorCode::corrupt, "it answered what was not asked"));
  page_.resize(answer_.bytes);
  asio::async_read(socket_, asio::buffer(page_), LargePieces{},
                   then([this](Hub& h, size_t) { take_page(h); }));
}

void StoreClient::Channel::take_page(Hub& hub) {
  Order& order = orders_.front();
  if (stored_digest(order.names[order.done], page_) != answer_.digest) {
    ++hub.counts_.damaged;
    return down(hub, fail(ErrorCode::corrupt, "a page was damaged on its way"));
  }
  ++hub.counts_.pages_read;
  hub.counts_.bytes_read += page_.size();
  ++came_;
  const size_t at = order.done++;
  if (!order.forgotten) {
    std::copy(page_.begin(), page_.end(), hub.pool_.page(order.into[at]).begin());
    const StoreOrder id = order.id;
    read_answer(hub);  // first: the event may forget the order
    return hub.events_.on_page(id);
  }
  read_answer(hub);
}

void StoreClient::Channel::take_end(Hub& hub, uint32_t count) {
  const Order& order = orders_.front();
  if (count != came_) return down(hub, fail(ErrorCode::corrupt, "it lost count of its pages"));
  if (came_ < asked_ || order.forgotten || order.done == order.names.size()) return finish(hub);
  // Between two batches those are let in that only ask: they would wait for many pages.
  const auto asks = std::find_if(orders_.begin() + 1, orders_.end(), [](const Order& o) {
    return o.kind == StoreRequest::Kind::look_up && !o.forgotten;
  });
  if (asks != orders_.end()) std::rotate(orders_.begin(), asks, asks + 1);
  send(hub);
}

void StoreClient::Channel::take_kept(Hub& hub, uint32_t verdict) {
  Order& order = orders_.front();
  order.stored += verdict <= 1;
  hub.counts_.pages_written += verdict <= 1;
  hub.counts_.bytes_written += hub.page_bytes();
  if (++order.done < order.pages.size()) return send(hub);
  finish(hub);
}

// Answers the first order and goes on with the next.
void StoreClient::Channel::finish(Hub& hub, std::optional<uint32_t> held) {
  const Order order = std::move(orders_.front());
  orders_.pop_front();
  if (busy_) {
    busy_ = false;
    deadline_ = Instant::max();
    failures_ = 0;
    asio::post(hub.executor_, [self = shared_from_this()] { self->start_next(); });
  }
  if (order.forgotten) return;
  switch (order.kind) {
    case StoreRequest::Kind::look_up:
      return hub.events_.on_held(order.id, held);
    case StoreRequest::Kind::get:
      return hub.events_.on_end(order.id);
    case StoreRequest::Kind::put:
      return hub.events_.on_kept(order.stored);
  }
}

void StoreClient::Channel::forget(Hub& hub, const StoreOrder& id, bool late) {
  const auto found =
      std::ranges::find_if(orders_, [&](const Order& o) { return o.id == id && !o.forgotten; });
  if (found == orders_.end()) return;
  found->forgotten = true;
  const bool served = busy_ && found == orders_.begin();
  if (served && late) cut_late(hub);
}

// One order was too slow for its job; that says little about those that wait, which are asked on
// another connection. A second one without any answer in between: the store hangs.
void StoreClient::Channel::cut_late(Hub& hub) {
  if (!answered_) return down(hub, fail(ErrorCode::deadline_exceeded, "it did not answer in time"));
  answered_ = false;
  close();
  busy_ = false;
  asio::post(hub.executor_, [self = shared_from_this()] { self->start_next(); });
}

void StoreClient::Channel::check_deadline(Hub& hub) {
  if (busy_ && hub.clock_.now() >= deadline_)
    down(hub, fail(ErrorCode::deadline_exceeded, "it stood still"));
}

// The connection is over. A store that was started again has closed it while it was idle: then the
// order has had no answer yet, and is tried once more.
void StoreClient::Channel::down(Hub& hub, const Error& why) {
  const bool was_connected = connected_;
  close();
  busy_ = false;
  Order& first = orders_.front();
  if (was_connected && why.code == ErrorCode::unavailable && !first.again && !first.forgotten &&
      first.done == 0) {
    first.again = true;
    asio::post(hub.executor_, [self = shared_from_this()] { self->start_next(); });
    return;
  }
  ++hub.counts_.failures;
  if (failures_ == 0)
    hub.log_.warning("kvstore.down", {{"address", hub.options_.address}, {"why", why.message}});
  const Duration pause = hub.options_.retry_after * (1 << std::min(failures_, 10u));
  ++failures_;
  retry_at_ = hub.clock_.now() + std::min(pause, hub.options_.retry_after_max);
  asio::post(hub.executor_, [self = shared_from_this()] { self->start_next(); });
}

void StoreClient::Channel::close() {
  ++life_;
  connected_ = false;
  deadline_ = Instant::max();
  error_code ignored;
  resolver_.cancel();
  socket_.close(ignored);  // a write under way reads no page any more
}

// ---- the hub -----------------------------------------------------------------------------------

void StoreClient::Hub::start() {
  reads_ = std::make_shared<Channel>(weak_from_this(), executor_);
  writes_ = std::make_shared<Channel>(weak_from_this(), executor_);
  check_deadlines();
}

void StoreClient::Hub::check_deadlines() {
  reads_->check_deadline(*this);
  writes_->check_deadline(*this);
  timer_.expires_after(options_.check_interval);
  timer_.async_wait([hub = weak_from_this()](const error_code& error) {
    const auto self = hub.lock();
    if (!error && self && !self->closed_) self->check_deadlines();
  });
}

void StoreClient::Hub::close() {
  closed_ = true;
  timer_.cancel();
  reads_->close();
  writes_->close();
}

StoreClient::StoreClient(asio::any_io_executor executor, StoreClientOptions options,
                         PoolMemory& pool, const Clock& clock, Log log, StoreClientEvents events)
    : hub_(std::make_shared<Hub>(std::move(executor), std::move(options), pool, clock,
                                 std::move(log), std::move(events))) {
  hub_->start();
}

StoreClient::~StoreClient() { hub_->close(); }

void StoreClient::look_up(StoreOrder order, std::vector<PageName> names) {
  Order out;
  out.id = order;
  out.names = std::move(names);
  hub_->reads_->give(*hub_, std::move(out));
}

void StoreClient::read(StoreOrder order, std::vector<PageName> names, std::vector<PageId> into) {
  check(names.size() == into.size() && !names.empty(), "each page that is read has its place");
  Order out;
  out.kind = StoreRequest::Kind::get;
  out.id = order;
  out.names = std::move(names);
  out.into = std::move(into);
  hub_->reads_->give(*hub_, std::move(out));
}

void StoreClient::forget(StoreOrder order, bool late) { hub_->reads_->forget(*hub_, order, late); }

void StoreClient::keep(std::vector<KeptPage> pages) {
  check(!pages.empty(), "something is to be kept");
  Order out;
  out.kind = StoreRequest::Kind::put;
  out.pages = std::move(pages);
  hub_->writes_->give(*hub_, std::move(out));
}

const StoreClientCounts& StoreClient::counts() const { return hub_->counts_; }

}  // namespace baton::kvcache
