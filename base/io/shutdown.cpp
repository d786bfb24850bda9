#include "base/io/shutdown.h"

#include <csignal>
#include <cstdlib>

namespace baton {

void add_hangup(boost::asio::signal_set& signals) {
  struct sigaction now {};
  ::sigaction(SIGHUP, nullptr, &now);
  if (now.sa_handler != SIG_IGN) signals.add(SIGHUP);
}

ShutdownSignal::ShutdownSignal(boost::asio::any_io_executor executor, std::function<void()> drain,
                               std::function<void()> reload)
    : signals_(std::move(executor), SIGTERM, SIGINT, SIGUSR1),
      drain_(std::move(drain)),
      reload_(std::move(reload)) {
  if (reload_) {
    signals_.add(SIGHUP);
  } else {
    add_hangup(signals_);
  }
  wait();
}

void ShutdownSignal::cancel() {
  cancelled_ = true;
  signals_.cancel();
}

void ShutdownSignal::wait() {
  if (cancelled_) return;
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP && reload_) {
      reload_();
      return wait();
    }
    if (draining_) std::_Exit(1);
    draining_ = true;
    drain_();
    wait();
  });
}

void ignore_drain_signals() {
  for (const int signal : {SIGUSR1, SIGINT, SIGHUP}) ::signal(signal, SIG_IGN);
}

}  // namespace baton
