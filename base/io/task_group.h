// Task<T>: a coroutine on an Asio executor. TaskGroup: every coroutine is awaited or belongs here.
//
// A group runs coroutines on one executor, cancels them together and knows when the last has ended.
// An exception that leaves a task is a defect and stops the process with its text, except for the
// cancellation that close() itself causes. Thread: the executor's own; not thread safe.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>

#include "base/clock.h"

namespace baton {

template <class T = void>
using Task = boost::asio::awaitable<T>;

class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::any_io_executor executor);
  ~TaskGroup();  // every task must have ended: await join() first, or stop the executor
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  void spawn(Task<> task);
  void cancel();  // asks every task to end; tasks spawned later are cancelled at once
  Task<> join();  // returns when no task is left
  size_t size() const { return running_.size(); }

 private:
  struct Running {
    boost::asio::cancellation_signal cancel;
  };
  boost::asio::any_io_executor executor_;
  std::list<Running> running_;
  boost::asio::steady_timer ended_;  // cancelled each time a task ends
  bool cancelled_ = false;
};

// Waits on the calling coroutine's executor.
Task<> pause_for(Duration duration);

}  // namespace baton
