#include "model/text/detokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "tests/support/npm_tokenizer.h"
#include "tests/support/shared_data.h"
#include "tests/text/small_tokenizer.h"

namespace baton::text {
namespace {

using nlohmann::json;

TEST(Detokenizer, ACharacterComesWithItsLastByte) {
  const auto tokenizer = testing::small_tokenizer();
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(detokenizer.push('a'), "a");
  EXPECT_EQ(detokenizer.push(0xE4), "");
  EXPECT_EQ(detokenizer.push(0xB8), "");
  EXPECT_EQ(detokenizer.held().size(), 2u);
  EXPECT_EQ(detokenizer.push(0xAD), "中");
  EXPECT_EQ(detokenizer.flush(), "");
}

TEST(Detokenizer, ABadBeginningIsReplacedOnceItIsCertain) {
  const auto tokenizer = testing::small_tokenizer();
  Detokenizer detokenizer(tokenizer);
  EXPECT_EQ(detokenizer.push(0xE4), "");
  EXPECT_EQ(detokenizer.push('x'), "\uFFFDx");
  EXPECT_EQ(detokenizer.push(0xF0), "");
  EXPECT_EQ(detokenizer.flush(), "\uFFFD");
  EXPECT_EQ(detokenizer.flush(), "");
}

TEST(Detokenizer, SkippedTokensDoNotSplitACharacter) {
  const auto tokenizer = testing::small_tokenizer();
  Detokenizer skipping(tokenizer, true), showing(tokenizer, false);
  std::string skipped, shown;
  for (const TokenId id : {0xE4u, 300u, 0xB8u, 0xADu}) {
    skipped += skipping.push(id);
    shown += showing.push(id);
  }
  EXPECT_EQ(skipped, "中");
  EXPECT_EQ(shown, "\uFFFD<s>\uFFFD\uFFFD");
}

TEST(Detokenizer, AllPartsTogetherAreTheDecodedText) {
  const auto tokenizer = testing::small_tokenizer();
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::vector<TokenId> ids(random() % 12);
    for (auto& id : ids) id = random() % 310;
    Detokenizer detokenizer(tokenizer, round % 2 == 0);
    std::string text;
    for (const TokenId id : ids) {
      const auto part = detokenizer.push(id);
      EXPECT_EQ(to_valid_utf8(part), part);
      text += part;
    }
    EXPECT_EQ(text + detokenizer.flush(), tokenizer.decode(ids, round % 2 == 0));
  }
}

TEST(DetokenizerReference, RealDeepSeekAgreesWithEveryChunk) {
  BATON_NEED_NPM_TOKENIZER(folder);
  BATON_NEED_SHARED(path, "tokenizer/cases.jsonl");
  const auto tokenizer = Tokenizer::load(folder);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto test = json::parse(line);
    if (!test.contains("chunks")) continue;
    Detokenizer detokenizer(*tokenizer, false);
    std::vector<std::string> chunks;
    for (const TokenId id : test["ids"]) chunks.push_back(detokenizer.push(id));
    EXPECT_EQ(json(chunks), test["chunks"]) << test["id"];
    EXPECT_EQ(detokenizer.flush(), test["tail"]) << test["id"];
  }
}

}  // namespace
}  // namespace baton::text
