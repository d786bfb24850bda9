// OutputEvent: what a choice says next, once its tokens are understood. Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace baton::server::api {

struct OutputEvent {
  enum class Kind : uint8_t {
    reasoning,    // text of it
    content,      // text of it
    call,         // a call of the tool `text` begins
    arguments,    // more of that call's arguments
    call_end,     // the arguments are whole
    call_broken,  // they turned out to be no JSON; `text` is all that the model wrote of the call,
                  // its last `rest` bytes came after what was told as arguments
  };
  Kind kind = Kind::content;
  std::string text;
  uint32_t call = 0;  // counts the calls that were told
  size_t rest = 0;
  friend bool operator==(const OutputEvent&, const OutputEvent&) = default;
};

// Appends; neighbours that only go on with a text become one.
inline void append_event_text(std::vector<OutputEvent>& events, OutputEvent::Kind kind,
                              std::string_view text, uint32_t call = 0) {
  if (text.empty()) return;
  if (!events.empty() && events.back().kind == kind && events.back().call == call) {
    events.back().text += text;
  } else {
    events.push_back({kind, std::string(text), call});
  }
}

}  // namespace baton::server::api
