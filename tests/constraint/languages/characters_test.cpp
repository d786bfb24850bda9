#include "model/constraint/languages/characters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::constraint {
namespace {

using ::testing::HasSubstr;

CodePointSet read(std::string_view text) {
  size_t at = 0;
  const auto set = text[0] == '[' ? read_class(text, at) : read_escape(text, at);
  EXPECT_TRUE(set) << text;
  EXPECT_EQ(at, text.size()) << text;
  return set ? *set : CodePointSet();
}

std::string refusal(std::string_view text) {
  size_t at = 0;
  const auto set = text[0] == '[' ? read_class(text, at) : read_escape(text, at);
  return set ? "" : set.error().message;
}

TEST(Characters, escapes) {
  EXPECT_EQ(read("\\n"), CodePointSet::of('\n'));
  EXPECT_EQ(read("\\x41"), CodePointSet::of('A'));
  EXPECT_EQ(read("\\u4E2d"), CodePointSet::of(0x4E2D));
  EXPECT_EQ(read("\\u{1F600}"), CodePointSet::of(0x1F600));
  EXPECT_EQ(read("\\."), CodePointSet::of('.'));
  EXPECT_EQ(read("\\/"), CodePointSet::of('/'));
  EXPECT_EQ(read("\\\u4E2D"), CodePointSet::of(0x4E2D));
  EXPECT_EQ(read("\\0"), CodePointSet::of(0));
  EXPECT_TRUE(read("\\w").contains('_'));
  EXPECT_FALSE(read("\\w").contains(0xE9));
  EXPECT_TRUE(read("\\D").contains('a'));
  EXPECT_TRUE(read("\\s").contains(0xA0));
  EXPECT_TRUE(read("\\p{L}").contains(0xE9));
  EXPECT_FALSE(read("\\P{L}").contains(0xE9));
}

TEST(Characters, classes) {
  EXPECT_EQ(read("[a-c_]"), (CodePointSet{{'a', 'c'}, {'_', '_'}}));
  EXPECT_EQ(read("[^\\n]"), ~CodePointSet::of('\n'));
  EXPECT_EQ(read("[-a-]"), (CodePointSet{{'-', '-'}, {'a', 'a'}}));
  EXPECT_EQ(read("[\\]\\\\]"), (CodePointSet{{'\\', ']'}}));
  EXPECT_EQ(read("[\\d.]"), (CodePointSet{{'0', '9'}, {'.', '.'}}));
  EXPECT_EQ(read("[]"), CodePointSet());
  EXPECT_EQ(read("[\u4E00-\u4E05]"), (CodePointSet{{0x4E00, 0x4E05}}));
}

TEST(Characters, what_is_none_of_these_is_refused) {
  EXPECT_THAT(refusal("\\1"), HasSubstr("back-references"));
  EXPECT_THAT(refusal("\\b"), HasSubstr("word boundaries"));
  EXPECT_THAT(refusal("\\q"), HasSubstr("\\q is not supported"));
  EXPECT_THAT(refusal("\\p{Klingon}"), HasSubstr("Klingon"));
  EXPECT_THAT(refusal("\\"), HasSubstr("end"));
  EXPECT_THAT(refusal("\\uD800"), HasSubstr("none"));
  EXPECT_THAT(refusal("[z-a]"), HasSubstr("out of order"));
  EXPECT_THAT(refusal("[a"), HasSubstr("not closed"));
  EXPECT_THAT(refusal("[a-\\d]"), HasSubstr("out of order"));
  EXPECT_THAT(refusal("[\xFF]"), HasSubstr("UTF-8"));
}

}  // namespace
}  // namespace baton::constraint
