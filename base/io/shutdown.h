// ShutdownSignal: SIGTERM, SIGINT, SIGHUP or SIGUSR1 asks for a drain; a second one asks to stop at
// once.
//
// SIGUSR1 is there because mpirun passes it on to its ranks and waits for them to end by
// themselves; to a SIGTERM of its own it reacts by killing them. Thread: the executor's own.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>

namespace baton {

// Listens to the closing of the terminal too, unless nohup or the like asked not to.
void add_hangup(boost::asio::signal_set& signals);

class ShutdownSignal {
 public:
  // `drain` runs at the first signal; the second one ends the process at once with status 1. With a
  // `reload`, SIGHUP calls it and asks for nothing else, as often as it comes.
  ShutdownSignal(boost::asio::any_io_executor executor, std::function<void()> drain,
                 std::function<void()> reload = nullptr);
  void cancel();  // listens no more: lets an otherwise idle loop end

 private:
  void wait();

  boost::asio::signal_set signals_;
  std::function<void()> drain_;
  std::function<void()> reload_;
  bool draining_ = false;
  bool cancelled_ = false;
};

// For a process that another one will tell to end: what asks for a drain means that one.
void ignore_drain_signals();

}  // namespace baton
