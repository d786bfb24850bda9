// parse_completion: what only text completions have.
#include <gtest/gtest.h>

#include "server/api/request/generate_request.h"
#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

ApiResult<GenerateRequest> parse(const Json& body) {
  testing::FakeModel model;
  model.make_special();
  return parse_completion(body, model.facts(), {});
}

TEST(TextRequest, has_16_tokens_by_default) {
  EXPECT_EQ(parse({{"prompt", "x"}})->max_tokens, 16u);
}

TEST(TextRequest, all_four_prompt_forms_are_read) {
  const auto count = [](const Json& prompt) { return parse({{"prompt", prompt}})->prompts.size(); };
  EXPECT_EQ(count("x"), 1u);
  EXPECT_EQ(count(Json::array({1, 2})), 1u);
  EXPECT_EQ(count(Json::array({"x", "y"})), 2u);
  EXPECT_EQ(count(Json::parse("[[1,2],[3]]")), 2u);
  EXPECT_EQ(parse({{"input_ids", {1, 2}}})->prompts.size(), 1u);
  for (const Json& bad :
       {Json(3), Json::object(), Json::array(), Json::array({268}), Json::array({-1}),
        Json::array({"x", 1}), Json::array({1, "x"}), Json::array({Json::array()}),
        Json::array({Json::array({1}), "x"}), Json(std::vector<std::string>(65, "x"))}) {
    EXPECT_EQ(parse({{"prompt", bad}}).error().param, "prompt") << bad;
  }
  EXPECT_EQ(parse({{"prompt", nullptr}}).error().param, "prompt");
}

TEST(TextRequest, logprobs_are_a_number) {
  EXPECT_FALSE(parse({{"prompt", "x"}, {"logprobs", true}}));
  EXPECT_FALSE(parse({{"prompt", "x"}, {"logprobs", 21}}));
  EXPECT_TRUE(parse({{"prompt", "x"}, {"logprobs", 0}})->report.logprobs);
  EXPECT_EQ(parse({{"prompt", "x"}, {"top_logprobs", 1}}).error().param, "top_logprobs");
}

TEST(TextRequest, what_is_echoed_is_scored_if_logprobs_are_asked_for) {
  const auto scored = parse({{"prompt", "x"}, {"echo", true}, {"logprobs", 3}, {"max_tokens", 0}});
  EXPECT_EQ(scored->report.prompt_logprobs, 3u);
  EXPECT_FALSE(scored->show_prompt_logprobs);
  EXPECT_EQ(parse({{"prompt", "x"}, {"logprobs", 3}})->report.prompt_logprobs, std::nullopt);
  EXPECT_TRUE(parse({{"prompt", "x"}, {"prompt_logprobs", 1}})->show_prompt_logprobs);
  EXPECT_TRUE(parse({{"prompt", "x"}, {"echo", true}, {"max_tokens", 0}}));
  EXPECT_EQ(parse({{"prompt", "x"}, {"max_tokens", 0}}).error().param, "max_tokens");
  EXPECT_TRUE(parse({{"prompt", "x"}, {"stream", true}, {"echo", true}, {"logprobs", 1}}));
}

TEST(TextRequest, fills_in_between_texts_if_the_model_can) {
  EXPECT_EQ(parse({{"prompt", "x"}, {"suffix", "y"}})->suffix, "y");
  EXPECT_EQ(parse({{"prompt", "x"}, {"suffix", ""}})->suffix, std::nullopt);
  EXPECT_EQ(parse({{"prompt", {1}}, {"suffix", "y"}}).error().param, "suffix");
  EXPECT_EQ(parse({{"prompt", "x"}, {"suffix", 3}}).error().param, "suffix");
  const testing::FakeModel plain;
  EXPECT_EQ(parse_completion({{"prompt", "x"}, {"suffix", "y"}}, plain.facts(), {}).error().code,
            "unsupported_parameter");
}

TEST(TextRequest, has_no_messages_and_no_tools) {
  EXPECT_EQ(parse({{"prompt", "x"}, {"messages", Json::array()}}).error().param, "messages");
  EXPECT_EQ(parse({{"prompt", "x"}, {"tools", Json::array()}}).error().param, "tools");
}

}  // namespace
}  // namespace baton::server::api
