// Listener: accepts connections up to a limit, and closes those that have stood still for too long.
//
// What is said on a connection is its owner's: a Connection has close() and late(now). Handlers run
// only while the owner lives and the listener has not been closed. When there are no descriptors
// left accepting is tried again at every check. Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kvcache/transport/host.h"

namespace baton::kvcache {

struct ListenerOptions {
  std::string host;
  uint16_t port = 0;  // 0: any free one
  size_t connections_max = 0;
  Duration check_interval{};
};

struct ListenerCounts {
  uint64_t connections = 0;  // ever accepted
  uint64_t refused = 0;      // beyond the limit
  uint64_t timeouts = 0;     // closed because they stood still
};

template <class Connection>
class Listener {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Begin = std::function<std::shared_ptr<Connection>(Socket)>;

  // `clock` outlives it.
  Listener(const boost::asio::any_io_executor& executor, ListenerOptions options,
           const Clock& clock)
      : options_(std::move(options)), clock_(clock), acceptor_(executor), timer_(executor) {}

  // Each socket accepted goes to `begin`, which gives back its connection, and then to `start`.
  // Errors: invalid_argument (the host), unavailable (the port).
  Result<void> listen(std::weak_ptr<void> owner, Begin begin,
                      std::function<void(Connection&)> start) {
    owner_ = std::move(owner);
    begin_ = std::move(begin);
    start_ = std::move(start);
    BATON_CHECKED(bind());
    accept();
    check_deadlines();
    return {};
  }

  void close() {
    closed_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    timer_.cancel();
    for (const auto& connection : connections_) connection->close();
    connections_.clear();
  }

  void erase(const std::shared_ptr<Connection>& connection) { connections_.erase(connection); }
  const std::set<std::shared_ptr<Connection>>& connections() const { return connections_; }
  const std::string& address() const { return address_; }  // host:port, the port really bound
  const ListenerCounts& counts() const { return counts_; }

 private:
  using tcp = boost::asio::ip::tcp;

  Result<void> bind() {
    boost::system::error_code error;
    tcp::resolver resolver(acceptor_.get_executor());
    const auto found = resolver.resolve(options_.host, std::to_string(options_.port),
                                        tcp::resolver::passive, error);
    if (error || found.empty()) {
      return fail(ErrorCode::invalid_argument, "can't find the host {} to listen on: {}",
                  options_.host, error.message());
    }
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) {
      return fail(ErrorCode::unavailable, "can't listen on {}:{}: {}", options_.host, options_.port,
                  error.message());
    }
    address_ =
        to_string(Endpoint{options_.host, std::to_string(acceptor_.local_endpoint().port())});
    return {};
  }

  void accept() {
    accepting_ = true;
    acceptor_.async_accept(
        [this, owner = owner_](const boost::system::error_code& error, Socket socket) {
          const auto alive = owner.lock();
          if (!alive || closed_) return;
          accepting_ = false;
          if (error) return;  // out of descriptors: check_deadlines() tries again
          if (connections_.size() < options_.connections_max) {
            ++counts_.connections;
            const auto connection = *connections_.insert(begin_(std::move(socket))).first;
            start_(*connection);
          } else {
            ++counts_.refused;
          }
          if (!closed_) accept();
        });
  }

  void check_deadlines() {
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
    timer_.async_wait([this, owner = owner_](const boost::system::error_code& error) {
      const auto alive = owner.lock();
      if (!error && alive && !closed_) check_deadlines();
    });
  }

  const ListenerOptions options_;
  const Clock& clock_;
  std::weak_ptr<void> owner_;
  Begin begin_;
  std::function<void(Connection&)> start_;
  tcp::acceptor acceptor_;
  boost::asio::steady_timer timer_;
  std::string address_;
  std::set<std::shared_ptr<Connection>> connections_;
  ListenerCounts counts_;
  bool accepting_ = false;
  bool closed_ = false;
};

}  // namespace baton::kvcache
