#include "server/relay/timeline.h"

#include <algorithm>

namespace baton::server {

Duration sum_of_parts(const Timeline& t) {
  return t.prepared + t.lost + t.placing + t.decode.queued + t.decode.prefilled + t.decode.exposed +
         t.decode.waited + t.decode.first_step + t.travelled;
}

void close_timeline(Timeline& timeline, const DecodeTimes& decode, Duration first_token) {
  timeline.decode = decode;
  timeline.first_token = first_token;
  timeline.travelled = Duration{};
  const Duration rest = first_token - sum_of_parts(timeline);
  if (rest >= Duration{}) {
    timeline.travelled = rest;
    return;
  }
  Duration excess = -rest;
  for (Duration* part :
       {&timeline.decode.first_step, &timeline.decode.waited, &timeline.decode.exposed,
        &timeline.decode.prefilled, &timeline.decode.queued, &timeline.placing, &timeline.lost,
        &timeline.prepared}) {
    const Duration cut = std::min(*part, excess);
    *part -= cut;
    excess -= cut;
  }
}

Timeline with_preparation(Timeline timeline, Duration prepared, Duration first_token) {
  timeline.prepared = std::min(prepared, first_token);
  const DecodeTimes decode = timeline.decode;
  close_timeline(timeline, decode, first_token);
  return timeline;
}

}  // namespace baton::server
