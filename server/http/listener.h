// Listener: accepts connections at one address, keeps their number within limits, and sweeps them
// for time limits.
//
// With no file descriptor left it gives up a reserved one to accept and close, so that it never
// spins. drain() ends what is idle and lets what runs finish; destroying it drops every connection.
// Thread: the I/O thread.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/observe/log.h"
#include "base/result.h"
#include "server/http/connection.h"

namespace baton::server::http {

struct ListenerLimits {
  ConnectionLimits connection;
  size_t connections_max = 10'000;
  size_t connections_per_address_max = 512;
  Duration sweep_interval = 1s;
};

class Listener {
 public:
  Listener(boost::asio::any_io_executor executor, const ListenerLimits& limits, const Clock& clock,
           Handler& handler, Metrics& metrics, Log log);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Binds and begins to accept; port 0 takes a free one.
  Result<void> listen(const std::string& host, uint16_t port);
  // From now on connections are TLS, with this certificate; those that are open stay as they are.
  void secure(std::shared_ptr<const TlsContext> tls) { tls_ = std::move(tls); }
  std::string host() const;
  uint16_t port() const;

  void sweep();  // happens by itself every sweep_interval
  // Idle connections close, running answers close theirs. New ones still come: their requests are
  // refused by the handler, which tells clients more than a refused connection.
  void drain();
  size_t connections() const { return connections_.size(); }
  size_t busy_connections() const;  // something of theirs is asked, answered or unsent

 private:
  void accept();
  void admit(boost::asio::ip::tcp::socket socket);
  void out_of_descriptors();
  void arm_sweep();
  void forget(const Connection& connection);

  struct Known {
    std::shared_ptr<Connection> connection;
    std::string address;
  };

  ListenerLimits limits_;
  ConnectionCounters counters_;
  std::unique_ptr<ConnectionContext> context_;
  Log log_;
  std::shared_ptr<const TlsContext> tls_;  // null: connections are plain
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer sweep_timer_;
  std::unordered_map<const Connection*, Known> connections_;
  std::unordered_map<std::string, size_t> per_address_;
  int reserve_ = -1;
  std::shared_ptr<bool> alive_;  // pending operations look here before they touch this
};

}  // namespace baton::server::http
