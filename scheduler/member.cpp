#include "scheduler/member.h"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

namespace baton::scheduler {

namespace {
constexpr auto kRetryAfter = std::chrono::milliseconds(200);
}

Member::Member(boost::asio::any_io_executor executor, rpc::Connector& connector,
               std::string scheduler_address, Identity identity, Log log, MemberEvents events)
    : connector_(connector),
      scheduler_address_(std::move(scheduler_address)),
      identity_(std::move(identity)),
      log_(std::move(log)),
      events_(std::move(events)),
      retry_(std::move(executor)) {
  connect();
}

void Member::connect() {
  rpc::LinkEvents<FromScheduler> events;
  events.on_message = [this](const FromScheduler& message) {
    lost_before_ = false;
    const Incarnation self = identity_.peer.incarnation;
    const auto* seen = std::get_if<HeartbeatSeen>(&message);
    const bool fenced = seen && seen->fenced && seen->incarnation == self;
    if (fenced && !std::exchange(fenced_, true)) events_.on_fenced();
    if (seen && seen->incarnation == self && events_.on_seen) events_.on_seen(*seen);
    const auto* rebalance = std::get_if<RebalanceNow>(&message);
    if (rebalance && rebalance->instance == self) events_.on_rebalance();
  };
  events.on_down = [this](const Error& error) { lost(error); };
  link_ = connector_.to_scheduler(scheduler_address_, std::move(events));
}

void Member::lost(const Error& error) {
  if (!lost_before_) {
    log_.warning("scheduler.lost", {{"address", scheduler_address_}, {"why", error.message}});
  }
  lost_before_ = true;
  // The link must not be destroyed from inside its own event: it goes when the timer fires.
  retry_.expires_after(kRetryAfter);
  retry_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) connect();
  });
}

void Member::beat(Heartbeat heartbeat) {
  heartbeat.peer = identity_.peer;
  heartbeat.role = identity_.role;
  heartbeat.manifest = identity_.manifest;
  link_->send(std::move(heartbeat));
}

}  // namespace baton::scheduler
