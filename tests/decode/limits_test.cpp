#include "decode/limits.h"

#include <gtest/gtest.h>

#include <cmath>

namespace baton::decode {
namespace {

TEST(PageNeed, OfARequestIsForWhatIsKnownAndTheFirstTokensOfEachChoice) {
  RequestState request;
  request.prompt.resize(65);
  request.stop.max_tokens = 10000;
  DecodeLimits limits;
  limits.growth_tokens = 100;
  EXPECT_EQ(tokens_ahead(request, limits), 100u);
  EXPECT_EQ(page_need(request, limits), (PageNeed{1, 2}));
  request.choices = 2;
  request.known = {{1, 2, 3}, std::vector<TokenId>(64)};
  EXPECT_EQ(tokens_ahead(request, limits), 164u);
  EXPECT_EQ(page_need(request, limits), (PageNeed{1, 6}));
  request.stop.max_tokens = 70;
  EXPECT_EQ(tokens_ahead(request, limits), 70u) << "and never for more than may come";
}

TEST(PageNeed, CountsThePromptAndAllThatAChoiceMayWrite) {
  EXPECT_EQ(page_need(1, 1, 1), (PageNeed{0, 1}));    // position 0 is decode's first step
  EXPECT_EQ(page_need(65, 1, 1), (PageNeed{1, 1}));   // entries 0..63, then position 64
  EXPECT_EQ(page_need(11, 1, 54), (PageNeed{1, 0}));  // 64 entries in all
  EXPECT_EQ(page_need(11, 1, 55), (PageNeed{1, 1}));
}

TEST(PageNeed, ChoicesShareFullPagesAndHaveTheRestForThemselves) {
  EXPECT_EQ(page_need(65, 3, 10), (PageNeed{1, 3}));  // one shared, one each
  EXPECT_EQ(page_need(75, 3, 10), (PageNeed{2, 2}));  // the partial page is copied twice
}

class ValidateTest : public testing::Test {
 protected:
  ValidateTest() {
    request_.prompt = {1, 2, 3};
    request_.stop.max_tokens = 10;
  }
  bool valid() const {
    return validate(request_, DecodeLimits{}, ModelFacts{100, 50, {}}, 4).has_value();
  }
  RequestState request_;
};

TEST_F(ValidateTest, APlainRequestIsValid) { EXPECT_TRUE(valid()); }

TEST_F(ValidateTest, TokensMustBeInTheVocabularyAboveAllOnReplay) {
  request_.known = {{100}};
  EXPECT_FALSE(valid());
  request_.known = {{99}};
  EXPECT_TRUE(valid());
  request_.prompt.push_back(100);
  EXPECT_FALSE(valid());
}

TEST_F(ValidateTest, PromptAndAnswerMustFitTheContextAndThePool) {
  request_.stop.max_tokens = 48;
  EXPECT_TRUE(valid());
  request_.stop.max_tokens = 49;
  EXPECT_FALSE(valid());
  request_.stop.max_tokens = 0;
  EXPECT_FALSE(valid());
  request_.stop.max_tokens = 48;
  request_.choices = 5;  // five pages of four
  EXPECT_FALSE(valid());
}

TEST_F(ValidateTest, NoTokensAreAskedForOnlyWithScoresOfThePrompt) {
  request_.stop.max_tokens = 0;
  EXPECT_FALSE(valid());
  request_.report.prompt_logprobs = 20;
  EXPECT_TRUE(valid());
  request_.report.prompt_logprobs = 21;
  EXPECT_FALSE(valid());
}

TEST_F(ValidateTest, AllowedTokensAndBadWordsAreOfTheVocabularyAndBounded) {
  request_.sampling.allowed = {99};
  request_.sampling.bad_words = {{1, 2}, {99}};
  EXPECT_TRUE(valid());
  request_.sampling.bad_words.push_back({100});
  EXPECT_FALSE(valid());
  request_.sampling.bad_words = {std::vector<TokenId>(257)};
  EXPECT_FALSE(valid());
  request_.sampling.bad_words.assign(129, {1});
  EXPECT_FALSE(valid());
  request_.sampling.bad_words.clear();
  request_.sampling.allowed = {100};
  EXPECT_FALSE(valid());
}

TEST_F(ValidateTest, AFormIsBoundedAndItsAnswerMustBeAbleToEnd) {
  const auto with_end = [this] {
    return validate(request_, DecodeLimits{}, ModelFacts{100, 50, {7}}, 4).has_value();
  };
  request_.constraint = ConstraintParams{};
  EXPECT_TRUE(with_end());
  EXPECT_FALSE(valid());
  request_.constraint->text.resize(DecodeLimits{}.form_bytes_max + 1);
  EXPECT_FALSE(with_end());
}

TEST_F(ValidateTest, RangesAreCheckedOnceMore) {
  const auto invalid_with = [this](auto change) {
    const RequestState before = request_;
    change(request_);
    const bool invalid = !valid();
    request_ = before;
    return invalid;
  };
  EXPECT_TRUE(invalid_with([](auto& r) { r.prompt.clear(); }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.choices = 0; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.choices = 1000; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.known = {{}, {}}; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.sampling.temperature = -1; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.sampling.temperature = NAN; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.sampling.top_p = 0; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.sampling.min_p = 1.5f; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.sampling.repetition_penalty = 0; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.sampling.logit_bias = {{100, 1.0f}}; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.report.top_logprobs = 21; }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.stop.strings.resize(17, "x"); }));
  EXPECT_TRUE(invalid_with([](auto& r) { r.known = {std::vector<TokenId>(11, 1)}; }));
}

}  // namespace
}  // namespace baton::decode
