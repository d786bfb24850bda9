#include "model/text/bpe/byte_alphabet.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/text/small_tokenizer.h"

namespace baton::text::bpe {
namespace {

TEST(ByteAlphabet, EveryByteHasACharacterOfItsOwn) {
  const std::set<char32_t> characters(byte_alphabet().begin(), byte_alphabet().end());
  EXPECT_EQ(characters.size(), 256u);
  EXPECT_EQ(byte_alphabet()['A'], U'A');
  EXPECT_EQ(byte_alphabet()[' '], U'Ġ');
  EXPECT_EQ(byte_alphabet()['\n'], U'Ċ');
}

TEST(ByteAlphabet, SpellingIsUndone) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(spelled_bytes(testing::spelled(all)), all);
}

TEST(ByteAlphabet, OtherCharactersSpellNothing) {
  EXPECT_FALSE(spelled_bytes("<｜User｜>"));
  EXPECT_FALSE(spelled_bytes("a b"));
  EXPECT_FALSE(spelled_bytes("\xFF"));
}

}  // namespace
}  // namespace baton::text::bpe
