#include "server/api/prepare.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

const testing::FakeModel kModel;

TEST(Prepare, a_chat_is_rendered_and_may_use_the_rest_of_the_context) {
  const auto prepared =
      prepare_chat(R"({"messages":[{"role":"user","content":"hi"}]})", kModel, {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  ASSERT_EQ(prepared->states.size(), 1u);
  const RequestState& state = prepared->states[0];
  EXPECT_EQ(kModel.decode(state.prompt, false), "user: hi\nassistant: ");
  EXPECT_EQ(state.stop.max_tokens, 4096 - state.prompt.size());
  EXPECT_EQ(state.model, "fake");
  EXPECT_EQ(state.attempt, Attempt(1));
}

// Its template goes beyond its limits, as an endless loop does.
class EndlessTemplate final : public testing::FakeModel {
  Result<std::vector<TokenId>> encode_chat(const nlohmann::json&,
                                           const nlohmann::json&) const override {
    return fail(ErrorCode::resource_exhausted, "the chat template takes more than 9 steps");
  }
};

TEST(Prepare, a_template_without_end_is_not_to_be_tried_again) {
  const auto prepared =
      prepare_chat(R"({"messages":[{"role":"user","content":"hi"}]})", EndlessTemplate(), {});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().status, 400);
  EXPECT_EQ(prepared.error().param, "messages");
}

TEST(Prepare, each_prompt_is_a_request) {
  const auto prepared = prepare_completion(R"({"prompt":["ab","c"],"n":2})", kModel, {});
  ASSERT_EQ(prepared->states.size(), 2u);
  EXPECT_EQ(prepared->states[0].prompt, (std::vector<TokenId>{256, 97, 98}));
  EXPECT_EQ(prepared->states[1].prompt, (std::vector<TokenId>{256, 99}));
  EXPECT_EQ(prepared->states[1].choices, 2u);
}

TEST(Prepare, token_ids_are_taken_as_they_are) {
  const auto prepared = prepare_completion(R"({"prompt":[97,98],"echo":true})", kModel, {});
  EXPECT_EQ(prepared->states[0].prompt, (std::vector<TokenId>{97, 98}));
  EXPECT_EQ(prepared->echoes, std::vector<std::string>{"ab"});
}

TEST(Prepare, a_prompt_without_tokens_is_refused) {
  const auto prepared =
      prepare_completion(R"({"prompt":"","add_special_tokens":false})", kModel, {});
  EXPECT_EQ(prepared.error().param, "prompt");
}

TEST(Prepare, too_long_a_prompt_says_the_limit_and_both_lengths) {
  testing::FakeModel small;
  small.edit().max_model_len = 10;
  const auto prepared = prepare_completion(R"({"prompt":"abcdef","max_tokens":5})", small, {});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().status, 400);
  EXPECT_EQ(prepared.error().code, "context_length_exceeded");
  for (const char* part : {"10 tokens", "12 tokens", "7 in the prompt", "5 in the completion"}) {
    EXPECT_NE(prepared.error().message.find(part), std::string::npos) << part;
  }
  EXPECT_TRUE(prepare_completion(R"({"prompt":"abcdef","max_tokens":3})", small, {}));
  EXPECT_EQ(prepare_chat(R"({"messages":[{"role":"user","content":"0123456789"}]})", small, {})
                .error()
                .param,
            "messages");
}

TEST(Prepare, min_tokens_may_not_exceed_the_answer) {
  EXPECT_EQ(prepare_completion(R"({"prompt":"a","max_tokens":2,"min_tokens":3})", kModel, {})
                .error()
                .param,
            "min_tokens");
}

TEST(Prepare, tokenize_counts_and_may_show_the_tokens) {
  EXPECT_EQ(*tokenize(R"({"prompt":"a\"","return_token_strs":true})", kModel, {}),
            R"({"count":3,"max_model_len":4096,"tokens":[256,97,34],"token_strs":["","a","\""]})");
  EXPECT_EQ(*tokenize(R"({"content":"a","add_special_tokens":false})", kModel, {}),
            R"({"count":1,"max_model_len":4096,"tokens":[97]})");
  EXPECT_NE(
      tokenize(R"({"messages":[{"role":"user","content":"a"}]})", kModel, {})->find("\"count\":20"),
      std::string::npos);
  for (const char* bad : {"{}", R"({"prompt":3})", R"({"prompt":"a","model":"b"})",
                          R"({"messages":[]})", R"({"prompt":"a","add_special_tokens":1})"}) {
    EXPECT_FALSE(tokenize(bad, kModel, {})) << bad;
  }
}

TEST(Prepare, detokenize_gives_the_text) {
  EXPECT_EQ(*detokenize(R"({"tokens":[104,105]})", kModel, {}), R"({"prompt":"hi"})");
  EXPECT_EQ(*detokenize(R"({"tokens":[]})", kModel, {}), R"({"prompt":""})");
  for (const char* bad : {"{}", R"({"tokens":"x"})", R"({"tokens":[258]})", R"({"tokens":[-1]})",
                          R"({"tokens":["a"]})"}) {
    EXPECT_EQ(detokenize(bad, kModel, {}).error().param, "tokens") << bad;
  }
}

}  // namespace
}  // namespace baton::server::api
