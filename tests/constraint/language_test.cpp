#include "model/constraint/language.h"

#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

TEST(Language, is_an_automaton_with_masks_over_a_vocabulary) {
  const testing::Vocabulary vocabulary({"yes", "no", "y", "es", "n"});
  const auto language = Language::compile(Form::choice, R"(["yes", "no"])", vocabulary.trie);
  ASSERT_TRUE(language);
  Matcher matcher((*language)->automaton());
  std::vector<uint64_t> mask((*language)->masks().words());
  (*language)->masks().fill(matcher, mask);
  EXPECT_EQ(mask, std::vector<uint64_t>{0b10111});
  ASSERT_TRUE(matcher.advance((*language)->vocabulary().text(2)));
  (*language)->masks().fill(matcher, mask);
  EXPECT_EQ(mask, std::vector<uint64_t>{0b01000});
}

TEST(Language, a_specification_that_is_none_is_refused) {
  const testing::Vocabulary vocabulary({"a"});
  EXPECT_FALSE(Language::compile(Form::regex, "(", vocabulary.trie));
}

}  // namespace
}  // namespace baton::constraint
