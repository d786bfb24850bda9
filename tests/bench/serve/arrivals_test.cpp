#include "bench/serve/arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::bench {
namespace {

TEST(Arrivals, APoissonProcessHasItsRate) {
  const auto all = random_arrivals({.requests = 20000, .rate = 50, .seed = 3});
  ASSERT_EQ(all.size(), 20000u);
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, &Arrival::at));
  // The sum of n gaps of mean m has the deviation m * sqrt(n); six of them.
  EXPECT_NEAR(to_seconds(all.back().at), 400, 6 * 0.02 * 142);
  size_t long_gaps = 0;  // longer than the mean: 1/e of them
  for (size_t i = 1; i < all.size(); ++i) long_gaps += all[i].at - all[i - 1].at > 20ms;
  EXPECT_NEAR(static_cast<double>(long_gaps) / 20000, 0.368, 0.02);
}

TEST(Arrivals, ARateOfZeroIsAllAtOnceAndASeedSaysAll) {
  const auto all = random_arrivals({.requests = 10, .rate = 0, .range = 0.5, .seed = 7});
  for (const Arrival& a : all) {
    EXPECT_EQ(a.at, 0s);
    EXPECT_GE(a.input_tokens, 128u);
    EXPECT_LE(a.input_tokens, 384u);
  }
  const auto again = random_arrivals({.requests = 10, .rate = 0, .range = 0.5, .seed = 7});
  EXPECT_EQ(again[9].blocks, all[9].blocks);
  EXPECT_EQ(again[9].input_tokens, all[9].input_tokens);
  EXPECT_NE(random_arrivals({.requests = 10, .rate = 0, .seed = 8})[9].blocks, all[9].blocks);
}

TEST(Arrivals, PromptsShareTheirPrefixAndNothingElse) {
  const std::vector<uint32_t> vocabulary = {5, 6, 7, 8, 9, 10, 11, 12};
  const auto all = random_arrivals(
      {.requests = 2, .rate = 0, .input_tokens = 100, .prefix_tokens = 40, .seed = 1});
  const auto a = prompt_of(all[0], vocabulary), b = prompt_of(all[1], vocabulary);
  ASSERT_EQ(a.size(), 100u);
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 40, b.begin()));
  EXPECT_FALSE(std::equal(a.begin() + 40, a.begin() + 80, b.begin() + 40));
  EXPECT_TRUE(std::ranges::all_of(a, [](uint32_t id) { return id >= 5 && id <= 12; }));
}

TEST(Arrivals, ATraceIsDividedExactlyAndPlayedFaster) {
  const auto all = trace_arrivals(
      R"({"timestamp": 3000, "input_length": 1100, "output_length": 80, "hash_ids": [0, 4, 5]}
{"timestamp": 0, "input_length": 513, "output_length": 3, "hash_ids": [0, 9]}
)",
      {.divide = 8, .speed = 2});
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].at, 0s);
  EXPECT_EQ((*all)[0].output_tokens, 1u);
  EXPECT_EQ((*all)[1].at, 1500ms);
  EXPECT_EQ((*all)[1].input_tokens, 137u);
  EXPECT_EQ((*all)[1].block_tokens, 64u);
  const std::vector<uint32_t> vocabulary = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto a = prompt_of((*all)[0], vocabulary), b = prompt_of((*all)[1], vocabulary);
  EXPECT_TRUE(std::equal(a.begin(), a.begin() + 64, b.begin()));
}

TEST(Arrivals, ABadLineOfATraceIsNamed) {
  const auto wrong = [](std::string_view text) {
    const auto all = trace_arrivals(text, {});
    return all ? "" : all.error().message;
  };
  EXPECT_NE(wrong("\nnot json\n").find("line 2"), std::string::npos);
  EXPECT_NE(wrong(R"({"timestamp": 0, "input_length": 5})").find("output_length"),
            std::string::npos);
  EXPECT_NE(
      wrong(R"({"timestamp":0,"input_length":513,"output_length":1,"hash_ids":[1]})").find("cover"),
      std::string::npos);
  EXPECT_FALSE(trace_arrivals("", {.divide = 3}));
}

}  // namespace
}  // namespace baton::bench
