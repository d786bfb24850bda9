#include "model/constraint/grammar/utf8_ranges.h"

#include <string>

#include "model/text/utf8.h"

namespace baton::constraint {

namespace {

using text::pattern::CodePointRange;
using text::pattern::CodePointSet;

// A stretch whose spellings differ from some byte on, and take all values there.
void add_sequence(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  std::string low, high;
  text::append_utf8(low, first);
  text::append_utf8(high, last);
  ByteSequence sequence;
  sequence.length = static_cast<uint8_t>(low.size());
  for (size_t i = 0; i < low.size(); ++i) {
    sequence.ranges[i] = {static_cast<uint8_t>(low[i]), static_cast<uint8_t>(high[i])};
  }
  out.push_back(sequence);
}

// Cuts off, at both ends, what doesn't fill whole blocks of 64, 4096, ... code points.
void split(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  for (char32_t block = 0x40; block <= 0x40000; block <<= 6) {
    const char32_t mask = block - 1;
    if ((first & ~mask) == (last & ~mask)) break;
    if ((first & mask) != 0) {
      split(first, first | mask, out);
      return split((first | mask) + 1, last, out);
    }
    if ((last & mask) != mask) {
      split(first, (last & ~mask) - 1, out);
      return split(last & ~mask, last, out);
    }
  }
  add_sequence(first, last, out);
}

}  // namespace

std::vector<ByteSequence> utf8_ranges(const CodePointSet& set) {
  std::vector<ByteSequence> out;
  for (const CodePointRange& by_length :
       {CodePointRange{0, 0x7F}, CodePointRange{0x80, 0x7FF}, CodePointRange{0x800, 0xD7FF},
        CodePointRange{0xE000, 0xFFFF}, CodePointRange{0x10000, 0x10FFFF}}) {
    const CodePointSet part = set & CodePointSet{by_length};
    for (const auto& [first, last] : part.ranges()) {
      if (last < 0x80)
        add_sequence(first, last, out);
      else
        split(first, last, out);
    }
  }
  return out;
}

}  // namespace baton::constraint
