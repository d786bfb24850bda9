// Any stop strings and any text: every split of the stream gives what a search of the whole gives,
// and nothing of a stop string is told. Input: flags, then stop strings up to a zero byte each, the
// text behind an empty one.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/stop_strings.h"

namespace {

using baton::check;
using baton::text::StopStrings;

constexpr size_t kStopsMax = 8;

struct Told {
  std::string text;
  std::optional<size_t> which;
  bool operator==(const Told&) const = default;
};

// Looks at every place by itself: the first at which a stop string is complete, the longest of
// those that are.
Told by_search(const std::vector<std::string>& stops, std::string_view text, bool include) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::optional<size_t> best;
    for (size_t i = 0; i < stops.size(); ++i) {
      const bool here = !stops[i].empty() && text.substr(0, end).ends_with(stops[i]);
      if (here && (!best || stops[i].size() > stops[*best].size())) best = i;
    }
    if (best) return {std::string(text.substr(0, include ? end : end - stops[*best].size())), best};
  }
  return {std::string(text), {}};
}

Told by_stream(const std::vector<std::string>& stops, std::string_view text, bool include,
               size_t step) {
  StopStrings stream(stops, include);
  Told told;
  for (size_t at = 0; at < text.size(); at += step) {
    auto out = stream.feed(text.substr(at, step));
    told.text += out.emit;
    if (out.stopped) {
      told.which = out.which;
      return told;
    }
  }
  told.text += stream.flush();
  return told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 2048) return 0;
  const bool include = data[0] & 1;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::vector<std::string> stops;
  while (stops.size() < kStopsMax) {
    const size_t end = std::min(rest.find('\0'), rest.size());
    const std::string_view stop = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (stop.empty()) break;
    stops.emplace_back(stop);
  }
  const Told wanted = by_search(stops, rest, include);
  for (const size_t step : {size_t{1}, size_t{2}, 3 + size_t{data[0]} % 61, rest.size() + 1}) {
    const Told told = by_stream(stops, rest, include, step);
    check(told.text == wanted.text, "any split tells the same text");
    check(told.which.has_value() == wanted.which.has_value(), "any split stops at the same place");
    check(!told.which || stops[*told.which] == stops[*wanted.which], "for the same reason");
  }
  return 0;
}
