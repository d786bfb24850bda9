#include "server/api/answer/answer_parts.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

TEST(AnswerParts, characters_are_counted_not_bytes) {
  EXPECT_EQ(characters("aé😀"), 3u);
  EXPECT_EQ(characters(""), 0u);
}

TEST(AnswerParts, usage_adds_up) {
  const auto usage = Json::parse(usage_json({10, 5, 4, 2}));
  EXPECT_EQ(usage["total_tokens"], 15);
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(usage["prompt_cache_hit_tokens"], 4);
  EXPECT_EQ(usage["prompt_cache_miss_tokens"], 6);
  EXPECT_EQ(usage["completion_tokens_details"]["reasoning_tokens"], 2);
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
  EXPECT_EQ(parts.text_logprobs.offsets, "2");
  EXPECT_EQ(parts.text, "c");
}

TEST(AnswerParts, tokens_can_be_shown_as_ids) {
  const testing::FakeModel model;
  AnswerOptions options;
  options.logprobs = options.tokens_as_ids = true;
  ChoiceParts parts;
  parts.add(testing::events_of("a")[0], options, model);
  EXPECT_EQ(parts.text_logprobs.tokens, R"("token_id:97")");
}

TEST(AnswerParts, a_prompts_first_token_has_no_score) {
  const testing::FakeModel model;
  AnswerOptions options;
  options.echo_logprobs = options.prompt_logprobs = true;
  options.prompt_ids = {{97, 98}};
  PromptParts parts;
  parts.begin(0, options, model);
  parts.add({1, {{{98, -1.5f}, 3, {{99, -0.5f}, {100, -1.0f}}}}}, options, model);
  EXPECT_EQ(parts.echoed.tokens, R"("a","b")");
  EXPECT_EQ(parts.echoed.token_logprobs, "null,-1.5");
  EXPECT_EQ(parts.echoed.top_logprobs, R"(null,{"c":-0.5,"d":-1,"b":-1.5})");
  EXPECT_EQ(parts.echoed.offsets, "0,1");
  EXPECT_EQ(parts.scores, R"(null,{"99":{"logprob":-0.5,"rank":1,"decoded_token":"c"},)"
                          R"("100":{"logprob":-1,"rank":2,"decoded_token":"d"},)"
                          R"("98":{"logprob":-1.5,"rank":3,"decoded_token":"b"}})");
}

}  // namespace
}  // namespace baton::server::api
