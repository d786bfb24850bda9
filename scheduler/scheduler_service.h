// SchedulerService: the shell of SchedulerState: accepts links, feeds messages, sends answers.
// Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "base/clock.h"
#include "base/io/driver.h"
#include "base/observe/log.h"
#include "proto/accepted_links.h"
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
  void received(LinkId from, ToScheduler message);
  void perform(Action& action);

  Log log_;
  SchedulerState state_;
  rpc::AcceptedLinks<FromScheduler, ToScheduler> links_;
  Driver<SchedulerState, Event, Action> driver_;
};

}  // namespace baton::scheduler
