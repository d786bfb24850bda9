#include "model/constraint/grammar/utf8_ranges.h"

#include <gtest/gtest.h>

#include "model/text/utf8.h"

namespace baton::constraint {
namespace {

using text::pattern::CodePointSet;

size_t matches(const std::vector<ByteSequence>& sequences, std::string_view bytes) {
  size_t count = 0;
  for (const ByteSequence& s : sequences) {
    bool fits = s.length == bytes.size();
    for (size_t i = 0; fits && i < bytes.size(); ++i) {
      const auto byte = static_cast<uint8_t>(bytes[i]);
      fits = byte >= s.ranges[i].low && byte <= s.ranges[i].high;
    }
    count += fits ? 1 : 0;
  }
  return count;
}

// Every code point of Unicode, one by one, against sets with awkward borders.
TEST(Utf8Ranges, each_character_of_a_set_is_in_one_sequence_and_no_other_is_in_any) {
  const std::vector<CodePointSet> sets{
      {},
      CodePointSet::all(),
      CodePointSet::of('a'),
      {{0, 0x7F}},
      {{0x7F, 0x80}},
      {{0x7FF, 0x800}, {0xFFFF, 0x10000}},
      {{0x81, 0x10FFFE}},
      {{0xD000, 0xE123}},
      {{'a', 'z'}, {0x4E00, 0x9FFF}, {0x1F600, 0x1F64F}},
      ~CodePointSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}},
  };
  for (const CodePointSet& set : sets) {
    const auto sequences = utf8_ranges(set);
    for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x900 ? 1 : 7) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      std::string bytes;
      text::append_utf8(bytes, c);
      ASSERT_EQ(matches(sequences, bytes), set.contains(c) ? 1u : 0u) << std::hex << uint32_t(c);
    }
  }
}

TEST(Utf8Ranges, no_sequence_spells_what_is_no_character) {
  const auto all = utf8_ranges(CodePointSet::all());
  for (const std::string_view bad : {"\xED\xA0\x80", "\xC0\x80", "\xE0\x80\x80", "\xF4\x90\x80\x80",
                                     "\xF0\x80\x80\x80", "\x80", "\xFF"}) {
    EXPECT_EQ(matches(all, bad), 0u);
  }
  EXPECT_LE(all.size(), 12u);
}

}  // namespace
}  // namespace baton::constraint
