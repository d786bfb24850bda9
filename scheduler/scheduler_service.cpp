#include "scheduler/scheduler_service.h"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

namespace baton::scheduler {

SchedulerService::SchedulerService(boost::asio::any_io_executor executor, const Clock& clock,
                                   Log log, SchedulerLimits limits)
    : executor_(executor),
      log_(std::move(log)),
      state_(std::move(limits)),
      driver_(std::move(executor), clock, state_, Tick{},
              [this](Action& action) { perform(action); }) {}

rpc::Acceptors SchedulerService::acceptors() {
  rpc::Acceptors acceptors;
  acceptors.scheduler = [this](std::unique_ptr<rpc::Link<FromScheduler>> link) {
    return accept(std::move(link));
  };
  return acceptors;
}

rpc::LinkEvents<ToScheduler> SchedulerService::accept(
    std::unique_ptr<rpc::Link<FromScheduler>> link) {
  const LinkId id(++last_link_.value);
  links_[id] = std::move(link);
  rpc::LinkEvents<ToScheduler> events;
  events.on_message = [this, id](ToScheduler message) {
    const uint64_t before = state_.registry().membership();
    driver_.feed(Received{id, std::move(message)});
    if (const uint64_t after = state_.registry().membership(); after != before) {
      log_.info("cluster.changed",
                {{"membership", after}, {"instances", state_.registry().instances().size()}});
    }
  };
  events.on_down = [this, id](const Error& error) { down(id, error); };
  return events;
}

void SchedulerService::down(LinkId id, const Error& error) {
  log_.debug("link.down", {{"why", error.message}});
  auto link = links_.extract(id);
  driver_.feed(LinkDown{id});
  // A link must not be destroyed from inside its own event.
  boost::asio::post(executor_, [gone = std::move(link)] {});
}

void SchedulerService::perform(Action& action) {
  auto& send = std::get<Send>(action);
  const auto link = links_.find(send.to);
  if (link != links_.end()) link->second->send(std::move(send.message));
}

}  // namespace baton::scheduler
