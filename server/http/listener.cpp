#include "server/http/listener.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>

namespace baton::server::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

int open_reserve() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

Listener::Listener(asio::any_io_executor executor, const ListenerLimits& limits, const Clock& clock,
                   Handler& handler, Metrics& metrics, Log log)
    : limits_(limits),
      counters_(metrics),
      context_(new ConnectionContext{limits.connection, clock, handler, counters_, {}, {}, false}),
      log_(std::move(log)),
      acceptor_(executor),
      sweep_timer_(executor),
      reserve_(open_reserve()),
      alive_(std::make_shared<bool>(true)) {}

Listener::~Listener() {
  *alive_ = false;
  while (!connections_.empty()) connections_.begin()->second.connection->close();
  if (reserve_ >= 0) ::close(reserve_);
}

Result<void> Listener::listen(const std::string& host, uint16_t port) {
  error_code error;
  tcp::resolver resolver(acceptor_.get_executor());
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return fail(ErrorCode::invalid_argument, "The host \"{}\" has no address; check --host.", host);
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(4096, error);
  if (error) {
    return fail(ErrorCode::unavailable, "Can't listen on {}:{}: {}.", host, port, error.message());
  }
  accept();
  arm_sweep();
  return {};
}

std::string Listener::host() const {
  error_code ignored;
  return acceptor_.local_endpoint(ignored).address().to_string();
}

uint16_t Listener::port() const {
  error_code ignored;
  return acceptor_.local_endpoint(ignored).port();
}

void Listener::accept() {
  acceptor_.async_accept([this, alive = alive_](error_code error, tcp::socket socket) {
    if (!*alive || error == asio::error::operation_aborted) return;
    if (error == asio::error::no_descriptors ||
        error == error_code(ENFILE, boost::system::system_category())) {
      out_of_descriptors();
    } else if (!error) {
      admit(std::move(socket));
    }
    if (acceptor_.is_open()) accept();
  });
}

// Accepting into the reserved descriptor and closing it answers the client; otherwise it would
// hang in the backlog and this loop would spin.
void Listener::out_of_descriptors() {
  counters_.refused.Increment();
  if (reserve_ >= 0) ::close(reserve_);
  const int taken = ::accept(acceptor_.native_handle(), nullptr, nullptr);
  if (taken >= 0) ::close(taken);
  reserve_ = open_reserve();
}

void Listener::admit(tcp::socket socket) {
  error_code error;
  const std::string address = socket.remote_endpoint(error).address().to_string();
  if (error) return;
  const auto same = per_address_.find(address);
  if (connections_.size() >= limits_.connections_max ||
      (same != per_address_.end() && same->second >= limits_.connections_per_address_max)) {
    counters_.refused.Increment();
    if (tls_) return;  // a handshake only to say no would cost more than the request
    const Response refusal =
        context_->handler.bad_request(503, "Too many connections are open; try again later.");
    const std::string answer = encode_head(refusal, {.keep_alive = false}) + refusal.body;
    socket.non_blocking(true, error);
    socket.write_some(asio::buffer(answer), error);
    return;
  }
  counters_.accepted.Increment();
  counters_.open.Increment();
  ++per_address_[address];
  auto channel = tls_ ? tls_channel(std::move(socket), tls_) : plain_channel(std::move(socket));
  auto connection = std::make_shared<Connection>(std::move(channel), *context_,
                                                 [this](Connection& closed) { forget(closed); });
  connections_.emplace(connection.get(), Known{connection, address});
  connection->start();
}

void Listener::forget(const Connection& connection) {
  const auto known = connections_.find(&connection);
  if (known == connections_.end()) return;
  counters_.open.Decrement();
  const auto count = per_address_.find(known->second.address);
  if (count != per_address_.end() && --count->second == 0) per_address_.erase(count);
  connections_.erase(known);
}

void Listener::sweep() {
  const Instant now = context_->clock.now();
  std::vector<std::shared_ptr<Connection>> all;  // a sweep may close and so forget
  all.reserve(connections_.size());
  for (const auto& [key, known] : connections_) all.push_back(known.connection);
  for (const auto& connection : all) connection->sweep(now);
}

void Listener::arm_sweep() {
  sweep_timer_.expires_after(limits_.sweep_interval);
  sweep_timer_.async_wait([this, alive = alive_](error_code error) {
    if (error || !*alive) return;
    sweep();
    arm_sweep();
  });
}

void Listener::drain() {
  context_->draining = true;
  sweep();
}

size_t Listener::busy_connections() const {
  return static_cast<size_t>(std::ranges::count_if(
      connections_, [](const auto& entry) { return !entry.second.connection->idle(); }));
}

}  // namespace baton::server::http
