#include "server/api/answer/explain.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::server::api {
namespace {

TEST(Explain, the_parts_sum_to_the_time_to_the_first_token) {
  Timeline timeline;
  timeline.lost = 1ms;
  timeline.placing = 2ms;
  timeline.decode = {3ms, 4ms, 5ms, 6ms, 7ms, 128};
  timeline.travelled = 8ms;
  timeline.first_token = 36ms;
  timeline.attempts = 2;
  timeline.decode_name = "decode-0";
  timeline.reason = "It is the least loaded.";
  const auto json = nlohmann::json::parse(explain_json(timeline));
  double sum = 0;
  for (const auto& part : json["parts"]) sum += part["ms"].get<double>();
  EXPECT_EQ(sum, json["first_token_ms"].get<double>());
  EXPECT_EQ(json["decode"], "decode-0");
  EXPECT_TRUE(json["prefill"].is_null());
  EXPECT_EQ(json["cached_tokens"], 128);
  EXPECT_EQ(json["placed_because"], "It is the least loaded.");
  EXPECT_EQ(json["fetched_tokens"], 0);
  EXPECT_TRUE(json["kvstore"].is_null());
}

TEST(Explain, says_what_came_from_the_kvstore_and_why) {
  Timeline timeline;
  timeline.decode.cached_tokens = 192;
  timeline.decode.fetched_tokens = 128;
  timeline.decode.kvstore = "2 of 2 pages were read.";
  const auto json = nlohmann::json::parse(explain_json(timeline));
  EXPECT_EQ(json["fetched_tokens"], 128);
  EXPECT_EQ(json["kvstore"], "2 of 2 pages were read.");
}

}  // namespace
}  // namespace baton::server::api
