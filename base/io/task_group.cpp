#include "base/io/task_group.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <string>

#include "base/result.h"

namespace baton {

namespace asio = boost::asio;

namespace {

void report(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) return;
    check(false, std::string("a task ended with an exception: ") + e.what());
  } catch (const std::exception& e) {
    check(false, std::string("a task ended with an exception: ") + e.what());
  }
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : executor_(std::move(executor)), ended_(executor_, asio::steady_timer::time_point::max()) {}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(Task<> task) {
  const auto self = running_.emplace(running_.end());
  auto done = [this, self](const std::exception_ptr& thrown) {
    if (thrown) report(thrown);
    running_.erase(self);
    ended_.cancel();
  };
  asio::co_spawn(executor_, std::move(task),
                 asio::bind_cancellation_slot(self->cancel.slot(), std::move(done)));
  if (cancelled_) self->cancel.emit(asio::cancellation_type::terminal);
}

void TaskGroup::cancel() {
  cancelled_ = true;
  for (auto it = running_.begin(); it != running_.end();) {
    auto& signal = (it++)->cancel;  // a task may end, and leave the list, inside emit
    signal.emit(asio::cancellation_type::terminal);
  }
}

Task<> TaskGroup::join() {
  while (!running_.empty()) {
    boost::system::error_code ignored;
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

Task<> pause_for(Duration duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace baton
