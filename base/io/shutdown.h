// ShutdownSignal: SIGTERM and SIGINT asked for a drain; a second one asks to stop at once.
// Thread: the executor's own.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>

namespace baton {

class ShutdownSignal {
 public:
  // `drain` runs at the first signal; the second one ends the process at once with status 1.
  ShutdownSignal(boost::asio::any_io_executor executor, std::function<void()> drain);
  void cancel();  // listens no more: lets an otherwise idle loop end

 private:
  void wait();

  boost::asio::signal_set signals_;
  std::function<void()> drain_;
  bool draining_ = false;
  bool cancelled_ = false;
};

}  // namespace baton
