#include "server/relay/gateway_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::server {

Actions GatewayState::step(const Event& event, Instant now) {
  now_ = now;
  run_timers();
  std::visit([this](const auto& e) { on(e); }, event);
  return std::exchange(actions_, {});
}

std::optional<Instant> GatewayState::next_deadline() const {
  if (requests_.empty()) return std::nullopt;
  return next_wake_;
}

// ---- a request's way --------------------------------------------------------------------------

void GatewayState::on(const Begin& begin) {
  const RequestId id = begin.request.id;
  if (requests_.size() >= limits_.requests_max || requests_.contains(id)) {
    ++counts_.begun;
    ++counts_.failed;
    actions_.push_back(Failed{id, Failure::full, 1s, "the gateway has as many requests as it may"});
    return;
  }
  ++counts_.begun;
  Request& request = requests_[id];
  request.state = begin.request;
  request.prefix = begin.prefix;
  request.state.attempt = Attempt{1};
  request.state.known.clear();
  request.log = TokenLog(begin.request.choices, begin.request.stop.max_tokens);
  request.begun = request.attempt_begun = now_;
  request.deadline = now_ + begin.time_left;
  request.timeline.attempts = 1;
  place(request);
}

void GatewayState::place(Request& request) {
  request.phase = Phase::placing;
  arm(request, now_ + limits_.place_timeout);
  if (!scheduler_up_) return;  // asked when it is there, or failed at the deadline
  const RequestState& state = request.state;
  Place place{state.id,
              state.attempt,
              static_cast<uint32_t>(state.prompt.size()),
              0,
              request.log.tokens(),
              state.priority,
              request.avoid,
              request.prefix};
  const uint64_t most = uint64_t{state.choices} * state.stop.max_tokens;
  place.max_new_tokens = static_cast<uint32_t>(most - request.log.tokens());
  actions_.push_back(TellScheduler{std::move(place)});
}

void GatewayState::rest(Request& request, Duration pause) {
  request.phase = Phase::resting;
  arm(request, now_ + pause);
}

void GatewayState::placed(const Placed& answer) {
  const auto found = requests_.find(answer.request);
  if (found == requests_.end() || found->second.state.attempt != answer.attempt) {
    ++counts_.strays;  // it ended, or is placed anew: nobody will use this placement
    actions_.push_back(TellScheduler{Forget{answer.request, answer.attempt}});
    return;
  }
  Request& request = found->second;
  if (request.phase == Phase::served) {
    ++counts_.strays;  // a second answer to a question that was put twice
    return;
  }
  request.phase = Phase::served;
  request.decode = answer.decode;
  request.placed_at = now_;
  request.timeline.decode_name = answer.decode.name;
  request.timeline.prefill_name = answer.prefill ? answer.prefill->name : "";
  request.timeline.degraded = answer.degraded;
  request.timeline.reason = answer.reason;
  arm(request, now_ + limits_.silence_max);
  Submit submit{answer.decode.incarnation, request.state, answer.prefill};
  submit.request.known = request.log.known();
  submit.request.time_left = request.deadline - now_;
  submit.request.age = now_ - request.begun;
  actions_.push_back(TellDecode{answer.decode, std::move(submit)});
}

void GatewayState::not_placed(const NotPlaced& answer) {
  const auto found = requests_.find(answer.request);
  if (found == requests_.end() || found->second.state.attempt != answer.attempt ||
      found->second.phase != Phase::placing) {
    ++counts_.strays;
    return;
  }
  Request& request = found->second;
  if (answer.full && request.state.attempt == Attempt{1}) {
    fail(found, Failure::full, answer.retry_after, answer.reason);
    return;
  }
  request.timeline.reason = answer.reason;  // said at the deadline, if nothing better turns up
  request.pause = std::clamp(request.pause * 2, limits_.retry_min, limits_.retry_max);
  rest(request, request.pause);
}

void GatewayState::progress(const Peer& from, const Progress& progress) {
  Request* request = current(from, progress.request, progress.attempt);
  if (!request) {  // it works for an attempt that was given up, or for nobody: it may stop
    actions_.push_back(TellDecode{from, Cancel{progress.request, progress.attempt}});
    return;
  }
  request->pause = {};
  if (std::exchange(request->moving, false)) ++counts_.resumed;
  arm(*request, now_ + limits_.silence_max);
  const bool whole = (!progress.scores || accept_scores(*request, *progress.scores)) &&
                     accept_tokens(*request, progress);
  const auto found = requests_.find(progress.request);
  const bool only_scored = request->state.stop.max_tokens == 0 && whole && progress.times;
  if (only_scored) close_first(*request, progress);
  if (request->log.finished() || only_scored) {
    finish(found);
  } else if (!whole) {
    ++counts_.gaps;
    attempt_again(found, std::nullopt, "a part of this request's answer was lost on its way");
  }
}

// Delivers what is new; false if something is missing, here or before the first token.
bool GatewayState::accept_scores(Request& request, const PromptScoreRun& run) {
  const auto last = static_cast<uint32_t>(request.state.prompt.size()) - 1;
  const uint32_t next = request.scored + 1;
  const uint64_t end = uint64_t{run.first} + run.scores.size();
  if (run.first == 0 || run.first > next || end > uint64_t{last} + 1) return false;
  if (end <= next) {
    ++counts_.duplicates_dropped;  // of an earlier attempt
    return true;
  }
  PromptScoreRun fresh{next, {run.scores.begin() + (next - run.first), run.scores.end()}};
  request.scored += static_cast<uint32_t>(fresh.scores.size());
  actions_.push_back(Deliver{request.state.id, {}, std::move(fresh)});
  return true;
}

bool GatewayState::accept_tokens(Request& request, const Progress& progress) {
  const bool only_scored = request.state.stop.max_tokens == 0 && progress.times;
  const bool wants_scores = request.state.report.prompt_logprobs.has_value();
  const bool scored = size_t{request.scored} + 1 == request.state.prompt.size();
  if ((only_scored || !progress.tokens.empty()) && wants_scores && !scored) return false;
  std::vector<TokenEvent> fresh;
  bool whole = true;
  for (const TokenEvent& event : progress.tokens) {
    const TokenLog::Verdict verdict = request.log.judge(event);
    whole = verdict == TokenLog::Verdict::next || verdict == TokenLog::Verdict::duplicate;
    if (!whole) break;
    if (verdict == TokenLog::Verdict::duplicate) {
      ++counts_.duplicates_dropped;
      continue;
    }
    request.log.append(event);
    fresh.push_back(event);
  }
  if (fresh.empty()) return whole;
  if (!request.first_token_seen) close_first(request, progress);
  actions_.push_back(Deliver{request.state.id, std::move(fresh), std::nullopt});
  return whole;
}

void GatewayState::close_first(Request& request, const Progress& progress) {
  request.first_token_seen = true;
  request.timeline.lost = request.attempt_begun - request.begun;
  request.timeline.placing = request.placed_at - request.attempt_begun;
  close_timeline(request.timeline, progress.times.value_or(DecodeTimes{}), now_ - request.begun);
}

void GatewayState::gave_up(const Peer& from, const GaveUp& gave_up) {
  Request* request = current(from, gave_up.request, gave_up.attempt);
  if (!request) return;
  const auto found = requests_.find(gave_up.request);
  switch (gave_up.why) {
    case GiveUp::deadline:
      fail(found, Failure::deadline, {}, "the request's time is over");
      break;
    case GiveUp::invalid:
      fail(found, Failure::invalid, {}, gave_up.reason);
      break;
    case GiveUp::full:
    case GiveUp::draining:
      attempt_again(found, from.incarnation, gave_up.reason);
      break;
    case GiveUp::place_again:
      attempt_again(found, gave_up.blame, gave_up.reason);
      break;
    case GiveUp::preempted:
      ++request->preemptions;
      ++counts_.preempted;
      attempt_again(found, std::nullopt, gave_up.reason);
      break;
  }
}

// The live request of which this decode instance may speak, or null.
GatewayState::Request* GatewayState::current(const Peer& from, RequestId id, Attempt attempt) {
  const auto found = requests_.find(id);
  if (found != requests_.end()) {
    Request& request = found->second;
    if (request.phase == Phase::served && request.state.attempt == attempt && request.decode &&
        request.decode->incarnation == from.incarnation)
      return &request;
  }
  ++counts_.strays;
  return nullptr;
}

// ---- when something goes wrong ----------------------------------------------------------------

void GatewayState::attempt_again(Map::iterator it, std::optional<Incarnation> blame,
                                 const std::string& reason) {
  Request& request = it->second;
  leave_decode(request);
  forget(request);
  if (request.timeline.attempts - request.preemptions >= limits_.attempts_max) {
    fail(it, Failure::unavailable, {},
         fmt::format("gave up after {} attempts; the last: {}", request.timeline.attempts, reason));
    return;
  }
  if (blame && std::find(request.avoid.begin(), request.avoid.end(), *blame) == request.avoid.end())
    request.avoid.push_back(*blame);
  ++counts_.placed_again;
  if (std::exchange(request.moving, true)) ++counts_.lost_again;
  ++request.timeline.attempts;
  ++request.state.attempt.value;
  if (!request.first_token_seen) request.timeline.reason = reason;
  // The first repeat comes at once: most often a worker has died and another is free.
  const bool first = request.pause == Duration{};
  request.pause = std::clamp(request.pause * 2, limits_.retry_min, limits_.retry_max);
  request.attempt_begun = now_;
  if (first)
    place(request);
  else
    rest(request, request.pause);
}

void GatewayState::leave_decode(Request& request) {
  if (!request.decode) return;
  actions_.push_back(TellDecode{*request.decode, Cancel{request.state.id, request.state.attempt}});
  request.decode.reset();
}

void GatewayState::forget(const Request& request) {
  actions_.push_back(TellScheduler{Forget{request.state.id, request.state.attempt}});
}

void GatewayState::fail(Map::iterator it, Failure why, Duration retry_after, std::string reason) {
  leave_decode(it->second);
  forget(it->second);
  ++counts_.failed;
  if (it->second.moving) ++counts_.lost_again;
  actions_.push_back(Failed{it->first, why, retry_after, std::move(reason)});
  requests_.erase(it);
}

void GatewayState::finish(Map::iterator it) {
  Request& request = it->second;
  forget(request);
  ++counts_.finished;
  const Usage usage{static_cast<uint32_t>(request.state.prompt.size()), request.log.tokens()};
  actions_.push_back(Finished{it->first, usage, request.timeline});
  requests_.erase(it);
}

void GatewayState::on(const ClientGone& gone) {
  const auto found = requests_.find(gone.request);
  if (found == requests_.end()) return;
  leave_decode(found->second);
  forget(found->second);
  ++counts_.cancelled;
  if (found->second.moving) ++counts_.left_since;
  requests_.erase(found);
}

void GatewayState::on(const SchedulerUp&) {
  scheduler_up_ = true;
  for (auto& [id, request] : requests_)
    if (request.phase == Phase::placing) place(request);
}

void GatewayState::on(const SchedulerDown&) { scheduler_up_ = false; }

void GatewayState::on(const SchedulerSaid& said) {
  if (const auto* answer = std::get_if<Placed>(&said.message)) placed(*answer);
  if (const auto* answer = std::get_if<NotPlaced>(&said.message)) not_placed(*answer);
}

void GatewayState::on(const DecodeSaid& said) {
  if (const auto* message = std::get_if<Progress>(&said.message)) progress(said.from, *message);
  if (const auto* message = std::get_if<GaveUp>(&said.message)) gave_up(said.from, *message);
}

void GatewayState::on(const DecodeDown& down) {
  std::vector<RequestId> lost;
  for (const auto& [id, request] : requests_)
    if (request.decode && request.decode->incarnation == down.decode) lost.push_back(id);
  for (const RequestId id : lost) {
    const auto found = requests_.find(id);
    found->second.decode.reset();  // nobody there to be told to cancel
    attempt_again(found, down.decode, "the decode instance was lost");
  }
}

// ---- time --------------------------------------------------------------------------------------

void GatewayState::arm(Request& request, Instant wake) {
  request.wake = std::min(wake, request.deadline);
  next_wake_ = std::min(next_wake_, request.wake);
}

void GatewayState::run_timers() {
  if (now_ < next_wake_) return;
  std::vector<RequestId> due;
  for (const auto& [id, request] : requests_)
    if (now_ >= request.wake) due.push_back(id);
  for (const RequestId id : due) wake(requests_.find(id));
  next_wake_ = Instant::max();
  for (const auto& [id, request] : requests_) next_wake_ = std::min(next_wake_, request.wake);
}

void GatewayState::wake(Map::iterator it) {
  Request& request = it->second;
  if (now_ >= request.deadline) {
    const bool placing = request.phase != Phase::served && !request.timeline.reason.empty();
    fail(it, Failure::deadline, {},
         placing ? "the request's time is over; at last: " + request.timeline.reason
                 : std::string("the request's time is over"));
    return;
  }
  switch (request.phase) {
    case Phase::resting:
    case Phase::placing:
      place(request);
      break;
    case Phase::served: {
      const Incarnation silent = request.decode->incarnation;
      attempt_again(it, silent, "the decode instance fell silent");
      break;
    }
  }
}

}  // namespace baton::server
