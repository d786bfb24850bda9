#include "decode/forms/form_keeper.h"

#include <gtest/gtest.h>

namespace baton::decode {
namespace {

using Form = ConstraintParams::Form;

// Tokens 0..4 are "a", "b", "ab", "c" and "bc"; 5, 6 and 7 begin reasoning, end it and begin a
// call; 8 and 9 end an answer; 10 to 69 say nothing that a form could have.
class FormKeeperTest : public testing::Test {
 protected:
  static std::vector<std::string_view> bytes() {
    std::vector<std::string_view> bytes(70);
    const std::string_view texts[] = {"a", "b", "ab", "c", "bc"};
    std::copy(std::begin(texts), std::end(texts), bytes.begin());
    return bytes;
  }
  FormKeeper keeper(const char* regex, ConstraintParams params = {}) {
    params.form = Form::regex;
    auto language = constraint::Language::compile(params.form, regex, vocabulary_);
    return {params, std::move(*language), {9, 8}, 2};
  }
  static std::vector<TokenId> row(const FormKeeper& keeper, size_t row = 0) {
    std::vector<TokenId> tokens;
    const auto words = keeper.masks().subspan(row * 2, 2);
    for (TokenId token = 0; token < 70; ++token) {
      if ((words[token / 64] >> (token % 64) & 1) != 0) tokens.push_back(token);
    }
    return tokens;
  }
  std::vector<TokenId> next(FormKeeper& keeper) {
    keeper.prepare({});
    return row(keeper);
  }
  using Tokens = std::vector<TokenId>;
  const constraint::TokenTrie vocabulary_{bytes()};
};

TEST_F(FormKeeperTest, TokensGoOnInTheLanguageAndTheEndComesWhereItMayOrMust) {
  FormKeeper form = keeper("abc?");
  EXPECT_EQ(next(form), (Tokens{0, 2}));
  form.push(0);
  EXPECT_EQ(next(form), (Tokens{1, 4}));
  form.push(1);
  EXPECT_EQ(next(form), (Tokens{3, 8, 9}));
  form.push(3);
  EXPECT_EQ(next(form), (Tokens{8, 9}));
}

TEST_F(FormKeeperTest, DraftsAreVerifiedAsFarAsTheFormAllowsThem) {
  FormKeeper form = keeper("abc");
  const Tokens good{0, 4}, bad{0, 3}, worse{3, 0};
  EXPECT_EQ(form.prepare(good), 2u);
  EXPECT_EQ(form.masks().size(), 3 * 2u);
  EXPECT_EQ(row(form, 0), (Tokens{0, 2}));
  EXPECT_EQ(row(form, 1), (Tokens{1, 4}));
  EXPECT_EQ(row(form, 2), (Tokens{8, 9}));
  EXPECT_EQ(form.prepare(bad), 1u);
  EXPECT_EQ(form.masks().size(), 2 * 2u);
  EXPECT_EQ(form.prepare(worse), 0u);
  EXPECT_EQ(next(form), (Tokens{0, 2})) << "a draft has left its trace";
}

TEST_F(FormKeeperTest, ReasoningIsFreeAndADraftMayEndIt) {
  FormKeeper form = keeper("abc", {.waits = true, .reasoning_end = 6, .reasoning_begin = 5});
  const Tokens thinking{20, 21}, ending{6, 0}, wrong{6, 3};
  EXPECT_EQ(form.prepare(thinking), 2u);
  EXPECT_EQ(row(form, 0).size(), 68u) << "all but the answer's end";
  EXPECT_EQ(row(form, 2).size(), 68u);
  EXPECT_EQ(form.prepare(ending), 2u);
  EXPECT_EQ(row(form, 1), (Tokens{0, 2}));
  EXPECT_EQ(row(form, 2), (Tokens{1, 4}));
  EXPECT_EQ(form.prepare(wrong), 1u);
  for (const TokenId token : {20u, 21u, 6u, 0u}) form.push(token);
  EXPECT_EQ(next(form), (Tokens{1, 4}));
}

TEST_F(FormKeeperTest, AModelMayThinkOrCallFirstIfItIsAskedTo) {
  FormKeeper form = keeper("abc", {.reasoning_end = 6, .reasoning_begin = 5, .call_begin = 7});
  EXPECT_EQ(next(form), (Tokens{0, 2, 5, 7}));
  form.push(5);
  EXPECT_EQ(next(form).size(), 68u);
  form.push(30);
  form.push(6);
  EXPECT_EQ(next(form), (Tokens{0, 2, 7})) << "it thinks once";
  form.push(7);
  form.prepare({});
  EXPECT_TRUE(form.masks().empty()) << "a call has no form";
  FormKeeper begun = keeper("abc", {.reasoning_end = 6, .reasoning_begin = 5, .call_begin = 7});
  begun.push(0);
  EXPECT_EQ(next(begun), (Tokens{1, 4})) << "too late for anything else";
}

TEST_F(FormKeeperTest, WhereTheVocabularyCanNotGoOnTheAnswerEnds) {
  FormKeeper form = keeper("ax");
  form.push(0);
  EXPECT_EQ(next(form), (Tokens{8, 9}));
}

}  // namespace
}  // namespace baton::decode
