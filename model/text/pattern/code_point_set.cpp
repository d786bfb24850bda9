#include "model/text/pattern/code_point_set.h"

#include <algorithm>
#include <utility>

namespace baton::text::pattern {

CodePointSet::CodePointSet(std::vector<CodePointRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& range : ranges) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    } else {
      ranges_.push_back(range);
    }
  }
}

bool CodePointSet::contains(char32_t c) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), c,
                       [](char32_t x, const auto& range) { return x < range.first; });
  return after != ranges_.begin() && c <= std::prev(after)->last;
}

CodePointSet CodePointSet::operator|(const CodePointSet& other) const {
  auto both = ranges_;
  both.insert(both.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePointSet(std::move(both));
}

CodePointSet CodePointSet::operator~() const {
  CodePointSet result;
  char32_t next = 0;
  for (const auto& range : ranges_) {
    if (range.first > next) result.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= code_point_max) result.ranges_.push_back({next, code_point_max});
  return result;
}

CodePointSet CodePointSet::operator&(const CodePointSet& other) const { return ~(~*this | ~other); }

}  // namespace baton::text::pattern
