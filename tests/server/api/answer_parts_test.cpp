#include "server/api/answer_parts.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

TEST(AnswerParts, characters_are_counted_not_bytes) {
  EXPECT_EQ(characters("aé😀"), 3u);
  EXPECT_EQ(characters(""), 0u);
}

TEST(AnswerParts, usage_adds_up) {
  const auto usage = nlohmann::json::parse(usage_json(10, 5, 4));
  EXPECT_EQ(usage["total_tokens"], 15);
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(usage["prompt_cache_hit_tokens"], 4);
  EXPECT_EQ(usage["prompt_cache_miss_tokens"], 6);
}

TEST(AnswerParts, clearing_keeps_the_offset_of_the_stream) {
  const testing::FakeModel model;
  AnswerOptions options;
  options.logprobs = true;
  ChoiceParts parts;
  for (const auto& event : testing::events_of("abc")) {
    parts.clear();
    parts.add(event, options, model);
  }
  EXPECT_EQ(parts.offsets, "2");
  EXPECT_EQ(parts.text, "c");
}

TEST(AnswerParts, tokens_can_be_shown_as_ids) {
  const testing::FakeModel model;
  AnswerOptions options;
  options.logprobs = options.tokens_as_ids = true;
  ChoiceParts parts;
  parts.add(testing::events_of("a")[0], options, model);
  EXPECT_EQ(parts.tokens, R"("token_id:97")");
}

}  // namespace
}  // namespace baton::server::api
