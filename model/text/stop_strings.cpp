#include "model/text/stop_strings.h"

#include <algorithm>
#include <utility>

namespace baton::text {

StopStrings::StopStrings(std::vector<std::string> stops, bool include_stop)
    : include_stop_(include_stop) {
  for (auto& stop : stops) {
    Needle needle{std::move(stop), {}, 0};
    needle.fallback.resize(needle.text.size());
    for (size_t i = 1, matched = 0; i < needle.text.size(); ++i) {
      while (matched > 0 && needle.text[i] != needle.text[matched]) {
        matched = needle.fallback[matched - 1];
      }
      if (needle.text[i] == needle.text[matched]) ++matched;
      needle.fallback[i] = static_cast<uint32_t>(matched);
    }
    needles_.push_back(std::move(needle));
  }
}

StopStrings::Output StopStrings::feed(std::string_view text) {
  Output output;
  if (stopped_) return output;
  held_ += text;
  const size_t old = held_.size() - text.size();
  for (size_t i = old; i < held_.size(); ++i) {
    for (size_t n = 0; n < needles_.size(); ++n) {
      Needle& needle = needles_[n];
      if (needle.text.empty()) continue;
      while (needle.matched > 0 && needle.text[needle.matched] != held_[i]) {
        needle.matched = needle.fallback[needle.matched - 1];
      }
      if (needle.text[needle.matched] == held_[i]) ++needle.matched;
      if (needle.matched < needle.text.size()) continue;
      if (!output.which || needle.text.size() > needles_[*output.which].text.size()) {
        output.which = n;
      }
    }
    if (!output.which) continue;
    stopped_ = output.stopped = true;
    const size_t end = i + 1;
    output.emit = held_.substr(0, include_stop_ ? end : end - needles_[*output.which].text.size());
    held_.clear();
    return output;
  }
  size_t hold = 0;
  if (!include_stop_) {
    for (const auto& needle : needles_) hold = std::max(hold, needle.matched);
  }
  output.emit = held_.substr(0, held_.size() - hold);
  held_.erase(0, held_.size() - hold);
  return output;
}

std::string StopStrings::flush() {
  for (auto& needle : needles_) needle.matched = 0;
  return std::exchange(held_, {});
}

}  // namespace baton::text
