// SchedulerService: the shell of SchedulerState: accepts links, feeds messages, sends answers.
// Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <map>
#include <memory>

#include "base/clock.h"
#include "base/io/driver.h"
#include "base/observe/log.h"
#include "proto/link.h"
#include "scheduler/scheduler_state.h"

namespace baton::scheduler {

class SchedulerService {
 public:
  SchedulerService(boost::asio::any_io_executor executor, const Clock& clock, Log log,
                   SchedulerLimits limits);

  // For a listener; it must be destroyed before the service.
  rpc::Acceptors acceptors();
  ClusterView view() const { return state_.view(); }

 private:
  rpc::LinkEvents<ToScheduler> accept(std::unique_ptr<rpc::Link<FromScheduler>> link);
  void perform(Action& action);
  void down(LinkId id, const Error& error);

  boost::asio::any_io_executor executor_;
  Log log_;
  SchedulerState state_;
  std::map<LinkId, std::unique_ptr<rpc::Link<FromScheduler>>> links_;
  LinkId last_link_{0};
  Driver<SchedulerState, Event, Action> driver_;
};

}  // namespace baton::scheduler
