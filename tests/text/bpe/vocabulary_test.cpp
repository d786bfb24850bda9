#include "model/text/bpe/vocabulary.h"

#include <gtest/gtest.h>

namespace baton::text::bpe {
namespace {

TEST(Vocabulary, FindsWhatWasAdded) {
  Vocabulary vocabulary;
  for (TokenId id = 0; id < 1000; ++id) {
    ASSERT_TRUE(vocabulary.add(id * 2, "token" + std::to_string(id)));
  }
  for (TokenId id = 0; id < 1000; ++id) {
    EXPECT_EQ(vocabulary.find("token" + std::to_string(id)), id * 2);
    EXPECT_EQ(vocabulary.bytes(id * 2), "token" + std::to_string(id));
    EXPECT_FALSE(vocabulary.has(id * 2 + 1));
    EXPECT_EQ(vocabulary.bytes(id * 2 + 1), "");
  }
  EXPECT_EQ(vocabulary.size(), 1999u);
  EXPECT_FALSE(vocabulary.find("token1000"));
}

TEST(Vocabulary, RefusesAnIdTwiceOrTooLarge) {
  Vocabulary vocabulary;
  EXPECT_TRUE(vocabulary.add(3, "a"));
  EXPECT_FALSE(vocabulary.add(3, "b"));
  EXPECT_FALSE(vocabulary.add(Vocabulary::id_max + 1, "c"));
  EXPECT_EQ(vocabulary.bytes(Vocabulary::id_max + 1), "");
}

TEST(Vocabulary, AddedTokensAreNotFound) {
  Vocabulary vocabulary;
  vocabulary.add(0, "<s>", false);
  EXPECT_FALSE(vocabulary.find("<s>"));
  EXPECT_EQ(vocabulary.bytes(0), "<s>");
}

}  // namespace
}  // namespace baton::text::bpe
