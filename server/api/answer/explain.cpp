#include "server/api/answer/explain.h"

#include <initializer_list>

#include "server/api/json_text.h"

namespace baton::server::api {

std::string explain_json(const Timeline& timeline) {
  const auto ms = [](Duration d) { return to_seconds(d) * 1000.0; };
  struct Part {
    std::string_view name;
    Duration spent;
  };
  std::string out = "{\"first_token_ms\":";
  append_json_number(out, ms(timeline.first_token));
  out += ",\"parts\":[";
  bool first = true;
  for (const Part& part : std::initializer_list<Part>{{"prepared", timeline.prepared},
                                                      {"lost", timeline.lost},
                                                      {"placing", timeline.placing},
                                                      {"queued", timeline.decode.queued},
                                                      {"prefilled", timeline.decode.prefilled},
                                                      {"exposed", timeline.decode.exposed},
                                                      {"waited", timeline.decode.waited},
                                                      {"first_step", timeline.decode.first_step},
                                                      {"travelled", timeline.travelled}}) {
    out += first ? "{\"name\":" : ",{\"name\":";
    first = false;
    append_json_string(out, part.name);
    out += ",\"ms\":";
    append_json_number(out, ms(part.spent));
    out += '}';
  }
  out += "],\"attempts\":" + std::to_string(timeline.attempts) + ",\"decode\":";
  append_json_string(out, timeline.decode_name);
  out += ",\"prefill\":";
  if (timeline.prefill_name.empty()) {
    out += "null";
  } else {
    append_json_string(out, timeline.prefill_name);
  }
  out += ",\"cached_tokens\":" + std::to_string(timeline.decode.cached_tokens);
  out += ",\"fetched_tokens\":" + std::to_string(timeline.decode.fetched_tokens);
  out += ",\"kvstore\":";
  if (timeline.decode.kvstore.empty()) {
    out += "null";
  } else {
    append_json_string(out, timeline.decode.kvstore);
  }
  out += timeline.degraded ? ",\"degraded\":true" : ",\"degraded\":false";
  out += ",\"placed_because\":";
  append_json_string(out, timeline.reason);
  out += '}';
  return out;
}

}  // namespace baton::server::api
