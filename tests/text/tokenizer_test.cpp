#include "model/text/tokenizer.h"

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
using ::testing::ElementsAre;

std::vector<TokenId> encoded(const Tokenizer& tokenizer, std::string_view text,
                             SpecialText how = SpecialText::as_token) {
  const auto ids = tokenizer.encode(text, how);
  EXPECT_TRUE(ids);
  return ids.value();
}

TEST(Tokenizer, SpecialTextIsATokenOrText) {
  const auto tokenizer = testing::small_tokenizer();
  EXPECT_THAT(encoded(tokenizer, "<s>hello"), ElementsAre(300, 259));
  EXPECT_THAT(encoded(tokenizer, "<s>hello", SpecialText::as_text),
              ElementsAre('<', 's', '>', 259));
}

TEST(Tokenizer, OnlyTrustedTextOfAPromptBecomesSpecial) {
  const auto tokenizer = testing::small_tokenizer();
  const RenderedPrompt prompt{{{"<|user|>", true}, {"<s>hel", false}, {"lo<s>", true}}};
  // "hello" is one piece over the border: only the added tokens know of it.
  EXPECT_THAT(tokenizer.encode(prompt).value(), ElementsAre(301, '<', 's', '>', 259, 300));
}

TEST(Tokenizer, ASpecialTokenCantBeAssembledFromBothSides) {
  const auto tokenizer = testing::small_tokenizer();
  const RenderedPrompt prompt{{{"<", true}, {"s", false}, {">", true}}};
  EXPECT_THAT(tokenizer.encode(prompt).value(), ElementsAre('<', 's', '>'));
  const RenderedPrompt halves{{{"<", true}, {"s>", true}}};
  EXPECT_THAT(tokenizer.encode(halves).value(), ElementsAre(300));
}

TEST(Tokenizer, APromptWithoutSpecialTextTokenisesAsItsWholeText) {
  const auto tokenizer = testing::small_tokenizer();
  std::mt19937 random(7);
  const std::string letters = "hello w<s>|user中 \n1";
  for (int round = 0; round < 200; ++round) {
    RenderedPrompt prompt;
    for (int i = 0; i < 5; ++i) {
      std::string text;
      for (int k = 0; k < 6; ++k) text += letters[random() % letters.size()];
      prompt.segments.push_back({text, false});
    }
    EXPECT_EQ(tokenizer.encode(prompt).value(),
              encoded(tokenizer, prompt.text(), SpecialText::as_text));
    for (auto& segment : prompt.segments) segment.trusted = true;
    EXPECT_EQ(tokenizer.encode(prompt).value(), encoded(tokenizer, prompt.text()));
  }
}

TEST(Tokenizer, DecodesWithReplacementCharactersAndWithoutSpecials) {
  const auto tokenizer = testing::small_tokenizer();
  const std::vector<TokenId> ids{300, 301, 'a', 0xE4, 0xB8, 'b', 0xE4, 0xB8, 0xAD, 299};
  EXPECT_EQ(tokenizer.decode(ids, false), "<s><|user|>a\uFFFDb中");
  EXPECT_EQ(tokenizer.decode(ids, true), "<|user|>a\uFFFDb中");
}

TEST(Tokenizer, AnyBytesComeBack) {
  const auto tokenizer = testing::small_tokenizer();
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random() % 40, '\0'), back;
    for (char& c : bytes) c = static_cast<char>(random());
    for (const TokenId id : encoded(tokenizer, bytes)) back += tokenizer.token_bytes(id);
    EXPECT_EQ(back, bytes);
  }
}

TEST(Tokenizer, KnowsItsTokens) {
  const auto tokenizer = testing::small_tokenizer();
  EXPECT_EQ(tokenizer.vocab_size(), 303u);
  EXPECT_EQ(tokenizer.find_token("<think>"), 302u);
  EXPECT_EQ(tokenizer.find_token("hello"), 259u);
  EXPECT_FALSE(tokenizer.find_token("nope"));
  EXPECT_EQ(tokenizer.bos(), 300u);
  EXPECT_FALSE(tokenizer.eos());
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_TRUE(tokenizer.is_special(300));
  EXPECT_TRUE(tokenizer.is_added(301) && !tokenizer.is_special(301));
  EXPECT_FALSE(tokenizer.is_special(4'000'000'000u));
  EXPECT_EQ(tokenizer.token_bytes(4'000'000'000u), "");
  EXPECT_EQ(tokenizer.token_bytes(290), "");
}

// A megabyte of anything takes about as long as a megabyte of anything else. The limit is the
// test's timeout: a quadratic step would need hours.
TEST(Tokenizer, HostileTextTakesLinearTime) {
  const auto tokenizer = testing::small_tokenizer();
  for (const std::string& unit :
       {std::string("a"), std::string(" "), std::string("\n"), std::string("\u0301"),
        std::string("<"), std::string("<|use"), std::string(" \n"), std::string("!"),
        std::string("0"), std::string("中"), std::string("\xFF"), std::string("A!")}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    for (const auto& whole : {text, text + "x", "x" + text}) {
      std::string back;
      for (const TokenId id : encoded(tokenizer, whole)) back += tokenizer.token_bytes(id);
      EXPECT_EQ(back, whole) << unit;
    }
  }
}

void check_golden(const std::string& name) {
  BATON_NEED_SHARED(folder, "golden/" + name);
  const auto tokenizer = Tokenizer::load(folder);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto golden = json::parse(std::ifstream(folder / "golden.json"));
  for (const auto& test : golden["tokenizer"]["encode"]) {
    const auto ids = test["ids"].get<std::vector<TokenId>>();
    EXPECT_EQ(encoded(*tokenizer, test["text"].get<std::string>()), ids);
    EXPECT_EQ(tokenizer->decode(ids, false), test["text"]);
  }
}

TEST(TokenizerReference, GoldenV3Nano) { check_golden("v3-nano"); }
TEST(TokenizerReference, GoldenV3NanoFp8) { check_golden("v3-nano-fp8"); }
TEST(TokenizerReference, GoldenV2LiteNano) { check_golden("v2-lite-nano"); }

TEST(TokenizerReference, RealDeepSeekAgreesWithEveryCase) {
  BATON_NEED_NPM_TOKENIZER(folder);
  BATON_NEED_SHARED(path, "tokenizer/cases.jsonl");
  const auto tokenizer = Tokenizer::load(folder);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  std::ifstream file(path);
  size_t cases = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    const auto test = json::parse(line);
    SCOPED_TRACE(test["id"].get<std::string>());
    const auto ids = test["ids"].get<std::vector<TokenId>>();
    if (test["kind"] == "encode") {
      EXPECT_EQ(encoded(*tokenizer, test["text"].get<std::string>()), ids);
    }
    EXPECT_EQ(tokenizer->decode(ids, false), test["decoded"]);
    EXPECT_EQ(tokenizer->decode(ids, true), test["decoded_skip_special"]);
  }
  EXPECT_EQ(cases, 300u);
  EXPECT_EQ(tokenizer->bos(), 0u);
  EXPECT_EQ(tokenizer->eos(), 1u);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->find_token("<｜Assistant｜>"), 128804u);
}

}  // namespace
}  // namespace baton::text
