#include "kvcache/store/store_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>

#include "kvcache/store/wire.h"
#include "kvcache/transport/listener.h"
#include "kvcache/transport/transfer.h"

namespace baton::kvcache {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// What connections share. It lives on while one of their handlers runs, but does nothing once
// closed.
class StoreServer::Hub : public std::enable_shared_from_this<StoreServer::Hub> {
 public:
  Hub(asio::any_io_executor executor, const StoreServerOptions& options, PageStore store,
      const Clock& clock)
      : executor_(std::move(executor)),
        options_(options),
        clock_(clock),
        store_(std::move(store)),
        listener_(executor_,
                  {options.host, options.port, options.connections_max, options.check_interval},
                  clock) {}
  ~Hub() { close(); }

  Result<void> listen();
  void close();

  // Runs `work(store)` on the store's thread, then `next(its result)` on the executor.
  template <class Work, class Next>
  void on_store(Work work, Next next) {
    asio::post(thread_, [this, executor = executor_, hub = weak_from_this(), work = std::move(work),
                         next = std::move(next)]() mutable {
      auto done = [hub, next = std::move(next), result = work(store_)]() mutable {
        const auto self = hub.lock();
        if (self && !self->closed_) next(*self, std::move(result));
      };
      asio::post(executor, std::move(done));
    });
  }

  asio::any_io_executor executor_;
  const StoreServerOptions options_;
  const Clock& clock_;
  PageStore store_;  // the store thread's
  Listener<Connection> listener_;
  StoreServerCounts counts_;
  bool closed_ = false;
  asio::thread_pool thread_{1};
};

// One peer: a request, its answers, the next request. One operation at a time.
class StoreServer::Connection : public std::enable_shared_from_this<StoreServer::Connection> {
 public:
  Connection(tcp::socket socket, std::weak_ptr<Hub> hub)
      : socket_(std::move(socket)), hub_(std::move(hub)) {}

  void read_request(Hub& hub);
  void close();
  bool late(Instant now) const { return deadline_ <= now; }

 private:
  struct Pages {
    std::vector<StoredPage> pages;
    bool missed = false;  // the one after them is not there
  };

  void take_request(Hub& hub);
  void take_names(Hub& hub);
  void take_place(Hub& hub);
  void store_page(Hub& hub, const PutPlace& place);
  void read_pages(Hub& hub);
  void send_pages(Hub& hub, Pages batch);
  void answer(Hub& hub, StoreAnswer::Kind kind, uint32_t count);
  void end(Hub& hub, uint64_t* counter);
  void wait(Hub& hub, Duration limit) { deadline_ = hub.clock_.now() + limit; }

  // Runs `next(hub)` when all is read or written, unless the server or this connection has ended.
  template <class Next>
  auto then(Next next) {
    return [self = shared_from_this(), next](const error_code& error, size_t) {
      const auto hub = self->hub_.lock();
      if (!hub || hub->closed_ || !self->socket_.is_open()) return;
      if (error) return self->end(*hub, nullptr);
      next(*hub);
    };
  }

  tcp::socket socket_;
  std::weak_ptr<Hub> hub_;
  Instant deadline_;
  std::array<std::byte, StoreRequest::kBytes> header_{};
  std::array<std::byte, PutPlace::kBytes> place_{};
  StoreRequest request_;
  std::vector<std::byte> body_;  // names
  PageBytes put_;                // a page on its way in
  std::vector<PageName> names_;
  uint32_t sent_ = 0;              // pages of a get
  std::vector<StoredPage> pages_;  // on their way
  std::vector<std::array<std::byte, StoreAnswer::kBytes>> answers_;
};

// ---- the hub -----------------------------------------------------------------------------------

Result<void> StoreServer::Hub::listen() {
  const auto begin = [this](tcp::socket socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    return std::make_shared<Connection>(std::move(socket), weak_from_this());
  };
  return listener_.listen(weak_from_this(), begin,
                          [this](Connection& connection) { connection.read_request(*this); });
}

void StoreServer::Hub::close() {
  if (std::exchange(closed_, true)) return;
  listener_.close();
  thread_.stop();
  thread_.join();
}

// ---- a connection ------------------------------------------------------------------------------

void StoreServer::Connection::read_request(Hub& hub) {
  wait(hub, hub.options_.idle_timeout);
  asio::async_read(socket_, asio::buffer(header_), then([this](Hub& h) { take_request(h); }));
}

void StoreServer::Connection::take_request(Hub& hub) {
  const auto request = decode_request(header_);
  if (!request) return end(hub, &hub.counts_.violations);
  request_ = *request;
  wait(hub, hub.options_.request_timeout);
  if (request_.kind == StoreRequest::Kind::put) {
    asio::async_read(socket_, asio::buffer(place_), then([this](Hub& h) { take_place(h); }));
    return;
  }
  body_.resize(names_bytes(request_.names));
  asio::async_read(socket_, asio::buffer(body_), then([this](Hub& h) { take_names(h); }));
}

void StoreServer::Connection::take_names(Hub& hub) {
  auto names = decode_names(body_);
  if (!names) return end(hub, &hub.counts_.violations);
  names_ = std::move(*names);
  sent_ = 0;
  if (request_.kind == StoreRequest::Kind::get) return read_pages(hub);
  hub.on_store([names = names_](PageStore& store) { return store.held(names); },
               [self = shared_from_this()](Hub& h, uint32_t held) {
                 self->answer(h, StoreAnswer::Kind::held, held);
               });
}

// As many as make a batch; none left, or the next one missing, and the request is answered.
void StoreServer::Connection::read_pages(Hub& hub) {
  auto read = [names = std::vector(names_.begin() + sent_, names_.end()),
               bytes_max = hub.options_.batch_bytes](PageStore& store) {
    Pages batch;
    size_t bytes = 0;
    for (const PageName& name : names) {
      if (bytes >= bytes_max) break;
      auto page = store.get(name);
      batch.missed = !page;
      if (!page) break;
      bytes += page->bytes().size();
      batch.pages.push_back(std::move(*page));
    }
    return batch;
  };
  hub.on_store(std::move(read), [self = shared_from_this()](Hub& h, Pages batch) {
    self->send_pages(h, std::move(batch));
  });
}

void StoreServer::Connection::send_pages(Hub& hub, Pages batch) {
  if (!socket_.is_open()) return;
  if (batch.pages.empty()) return answer(hub, StoreAnswer::Kind::end, sent_);
  wait(hub, hub.options_.request_timeout);
  pages_ = std::move(batch.pages);
  answers_.clear();
  for (const StoredPage& page : pages_)
    answers_.push_back(
        encode(StoreAnswer{StoreAnswer::Kind::page, request_.id, 0,
                           static_cast<uint32_t>(page.bytes().size()), page.digest}));
  std::vector<asio::const_buffer> buffers;
  for (size_t i = 0; i < pages_.size(); ++i) {
    buffers.push_back(asio::buffer(answers_[i]));
    buffers.push_back(asio::buffer(pages_[i].bytes().data(), pages_[i].bytes().size()));
  }
  sent_ += static_cast<uint32_t>(pages_.size());
  const bool last = batch.missed || sent_ == names_.size();
  asio::async_write(socket_, buffers, LargePieces{}, then([this, last](Hub& h) {
                      pages_.clear();
                      if (last) return answer(h, StoreAnswer::Kind::end, sent_);
                      read_pages(h);
                    }));
}

void StoreServer::Connection::take_place(Hub& hub) {
  const auto place = decode_place(place_);
  if (!place) return end(hub, &hub.counts_.violations);
  put_ = PageBytes(request_.bytes);
  asio::async_read(socket_, asio::buffer(put_.writable().data(), request_.bytes), LargePieces{},
                   then([this, place = *place](Hub& h) { store_page(h, place); }));
}

void StoreServer::Connection::store_page(Hub& hub, const PutPlace& place) {
  StoredPage page{place.name, place.depth, place.digest, std::exchange(put_, {})};
  hub.on_store([page = std::move(page)](PageStore& store) { return store.put(page); },
               [self = shared_from_this()](Hub& h, PutVerdict verdict) {
                 self->answer(h, StoreAnswer::Kind::kept, static_cast<uint32_t>(verdict));
               });
}

void StoreServer::Connection::answer(Hub& hub, StoreAnswer::Kind kind, uint32_t count) {
  if (!socket_.is_open()) return;
  wait(hub, hub.options_.request_timeout);
  answers_.assign(1, encode(StoreAnswer{kind, request_.id, count, 0, {}}));
  asio::async_write(socket_, asio::buffer(answers_.front()),
                    then([this](Hub& h) { read_request(h); }));
}

void StoreServer::Connection::end(Hub& hub, uint64_t* counter) {
  if (counter != nullptr) ++*counter;
  close();
  hub.listener_.erase(shared_from_this());
}

void StoreServer::Connection::close() {
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  socket_.close(ignored);
}

// ---- the server --------------------------------------------------------------------------------

Result<std::unique_ptr<StoreServer>> StoreServer::listen(asio::any_io_executor executor,
                                                         const StoreServerOptions& options,
                                                         PageStore store, const Clock& clock) {
  auto hub = std::make_shared<Hub>(std::move(executor), options, std::move(store), clock);
  BATON_CHECKED(hub->listen());
  return std::unique_ptr<StoreServer>(new StoreServer(std::move(hub)));
}

StoreServer::StoreServer(std::shared_ptr<Hub> hub) : hub_(std::move(hub)) {}
StoreServer::~StoreServer() { hub_->close(); }
void StoreServer::stop() { hub_->close(); }
const std::string& StoreServer::address() const { return hub_->listener_.address(); }
StoreServerCounts StoreServer::counts() const {
  StoreServerCounts counts = hub_->counts_;
  const ListenerCounts& listener = hub_->listener_.counts();
  counts.connections = listener.connections;
  counts.refused = listener.refused;
  counts.timeouts = listener.timeouts;
  return counts;
}

void StoreServer::ask_status(std::function<void(const StoreStatus&)> answer) {
  const auto look = [](PageStore& store) {
    StoreStatus status;
    status.store = store.counts();
    status.memory_pages = store.memory().pages();
    status.memory_bytes = store.memory().bytes();
    status.memory_evicted = store.memory().evicted();
    if (const DiskTier* disk = store.disk()) {
      status.disk = disk->counts();
      status.disk_pages = disk->pages();
      status.disk_bytes = disk->bytes();
    }
    return status;
  };
  hub_->on_store(look,
                 [answer = std::move(answer)](Hub&, const StoreStatus& status) { answer(status); });
}

}  // namespace baton::kvcache
