#include "scheduler/scheduler_service.h"

#include <nlohmann/json.hpp>

namespace baton::scheduler {

SchedulerService::SchedulerService(boost::asio::any_io_executor executor, const Clock& clock,
                                   Log log, SchedulerLimits limits)
    : log_(std::move(log)),
      state_(std::move(limits)),
      links_(
          executor,
          [this](LinkId from, ToScheduler message) { received(from, std::move(message)); },
          [this](LinkId link, const Error& error) {
            log_.debug("link.down", {{"why", error.message}});
            driver_.feed(LinkDown{link});
          }),
      driver_(std::move(executor), clock, state_, Tick{},
              [this](Action& action) { perform(action); }) {}

rpc::Acceptors SchedulerService::acceptors() {
  rpc::Acceptors acceptors;
  acceptors.scheduler = links_.acceptor();
  return acceptors;
}

void SchedulerService::received(LinkId from, ToScheduler message) {
  const uint64_t before = state_.registry().membership();
  driver_.feed(Received{from, std::move(message)});
  if (const uint64_t after = state_.registry().membership(); after != before) {
    log_.info("cluster.changed",
              {{"membership", after}, {"instances", state_.registry().instances().size()}});
  }
}

void SchedulerService::perform(Action& action) {
  if (const auto* alarm = std::get_if<Alarm>(&action)) {
    log_.warning("prefixes.late", {{"instance", alarm->instance}, {"why", alarm->sentence}});
    return;
  }
  auto& send = std::get<Send>(action);
  links_.send(send.to, std::move(send.message));
}

}  // namespace baton::scheduler
