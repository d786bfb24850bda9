// StopStrings: finds the first stop string in a stream of text.
//
// The stream ends at the first place where any stop string is complete; of several that end there
// the longest counts. Text that may still turn out to begin a stop string is held back, so nothing
// of a stop string is ever emitted (unless include_stop). Any split of the stream gives the same
// text. Fed whole characters, it emits whole characters. Pure and copyable: it may live inside a
// state machine. Cost: amortised O(stop strings) a byte. Thread safety: one object, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::text {

class StopStrings {
 public:
  struct Output {
    std::string emit;
    bool stopped = false;
    std::optional<size_t> which;  // index of the stop string, if stopped
  };

  StopStrings() = default;
  // Empty strings are ignored. include_stop: the stop string itself is emitted too.
  explicit StopStrings(std::vector<std::string> stops, bool include_stop = false);

  Output feed(std::string_view text);
  // The text has ended without a stop string: what was held back. Text that is fed afterwards is
  // another one.
  std::string flush();
  const std::string& held() const { return held_; }
  bool stopped() const { return stopped_; }

 private:
  struct Needle {
    std::string text;
    std::vector<uint32_t> fallback;  // [text bytes] of Knuth, Morris and Pratt
    size_t matched = 0;              // the stream ends with this much of text
  };

  std::vector<Needle> needles_;
  std::string held_;
  bool include_stop_ = false;
  bool stopped_ = false;
};

}  // namespace baton::text
