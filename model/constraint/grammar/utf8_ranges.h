// utf8_ranges: a set of characters as the byte sequences that spell them.
//
// Each sequence is one to four byte ranges; a text of that many bytes, each in its range, is the
// UTF-8 of one character of the set, and each character is in one sequence. Surrogates have none.
// Thread safety: a pure function.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "model/text/pattern/code_point_set.h"

namespace baton::constraint {

struct ByteRange {
  uint8_t low = 0, high = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct ByteSequence {
  std::array<ByteRange, 4> ranges;
  uint8_t length = 0;
};

std::vector<ByteSequence> utf8_ranges(const text::pattern::CodePointSet& set);

}  // namespace baton::constraint
