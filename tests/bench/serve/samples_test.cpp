#include "bench/serve/samples.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::bench {
namespace {

Sample sample(Duration due, Duration first, Duration last, uint64_t tokens) {
  Sample s;
  s.due = due;
  s.sent = due + 1ms;
  s.first = first;
  s.last = last;
  s.ended = last + 1ms;
  s.output_tokens = tokens;
  s.prompt_tokens = 100;
  return s;
}

TEST(Samples, PercentilesLieBetweenNeighbours) {
  EXPECT_EQ(percentile({}, 50), 0);
  EXPECT_EQ(percentile({7}, 99), 7);
  EXPECT_DOUBLE_EQ(percentile({4, 1, 3, 2}, 50), 2.5);
  EXPECT_DOUBLE_EQ(percentile({4, 1, 3, 2}, 90), 3.7);
  EXPECT_DOUBLE_EQ(percentile({1, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(percentile({1, 2}, 100), 2);
}

TEST(Samples, TimesAreCountedFromWhenARequestWasDue) {
  const std::vector<Sample> samples = {sample(0ms, 100ms, 300ms, 5), sample(50ms, 350ms, 350ms, 1)};
  const Summary s = summarize(samples, {});
  EXPECT_EQ(s.completed, 2u);
  EXPECT_DOUBLE_EQ(s.ttft_ms.mean, 200);
  EXPECT_DOUBLE_EQ(s.tpot_ms.mean, 50);  // of the first alone: one token has no rate
  EXPECT_DOUBLE_EQ(s.seconds, 0.351);
  EXPECT_DOUBLE_EQ(s.e2el_ms.largest, 301);
  EXPECT_DOUBLE_EQ(s.output_tokens_s, 6 / 0.351);
  EXPECT_DOUBLE_EQ(s.late_ms, 1);
}

TEST(Samples, GoodputCountsThoseThatKeepEveryLimit) {
  std::vector<Sample> samples = {sample(0ms, 100ms, 300ms, 5), sample(0ms, 100ms, 900ms, 5),
                                 sample(0ms, 500ms, 700ms, 5)};
  samples.push_back(sample(0ms, 0ms, 0ms, 0));
  samples.back().error = "429: the cluster is full";
  samples.back().ended = 999ms;
  const Summary s = summarize(samples, {.ttft_ms_max = 200, .tpot_ms_max = 100});
  EXPECT_EQ(s.completed, 3u);
  EXPECT_EQ(s.failed, 1u);
  EXPECT_DOUBLE_EQ(s.goodput_s, 1 / 0.999);
  ASSERT_EQ(s.mistakes.size(), 1u);
  const auto json = to_json(s);
  EXPECT_EQ(json["failed"], 1);
  EXPECT_DOUBLE_EQ(json["request_goodput"].get<double>(), 1 / 0.999);
  EXPECT_NE(to_text(s).find("the cluster is full"), std::string::npos);
}

TEST(Samples, NothingGivesZeros) {
  const Summary s = summarize({}, {});
  EXPECT_EQ(s.completed, 0u);
  EXPECT_EQ(s.requests_s, 0);
  EXPECT_FALSE(to_json(s).contains("request_goodput"));
}

}  // namespace
}  // namespace baton::bench
