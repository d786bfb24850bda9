// A cluster by hand for the scheduler's tests: heartbeats and questions with sensible values.
#pragma once

#include <string>

#include "proto/cluster.h"

namespace baton::scheduler {

inline constexpr Instant kStart{Duration(100s)};

inline Heartbeat beat(const std::string& name, uint64_t incarnation, Role role,
                      uint32_t pages_free = 100, uint64_t queued_tokens = 0) {
  Heartbeat heartbeat;
  heartbeat.peer = {name, Incarnation{incarnation}, name + ":1"};
  heartbeat.role = role;
  heartbeat.manifest.model_fingerprint = "m";
  heartbeat.load.running_max = 8;
  heartbeat.load.queued_tokens = queued_tokens;
  heartbeat.load.pages.total = 100;
  heartbeat.load.pages.free = pages_free;
  heartbeat.load.pages.in_use = 100 - pages_free;
  return heartbeat;
}

inline Place place(uint64_t request, uint32_t prompt_tokens = 100, uint32_t attempt = 1) {
  Place place;
  place.request = RequestId{request};
  place.attempt = Attempt{attempt};
  place.prompt_tokens = prompt_tokens;
  place.max_new_tokens = 28;
  return place;
}

}  // namespace baton::scheduler
