// parse_chat: what only chats have.
#include <gtest/gtest.h>

#include "server/api/request/generate_request.h"
#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

ApiResult<GenerateRequest> parse(const std::string& members) {
  const testing::FakeModel model;
  const std::string messages = members.find("\"messages\"") == std::string::npos
                                   ? R"("messages":[{"role":"user","content":"hi"}])"
                                   : "";
  const char* comma = messages.empty() || members.empty() ? "" : ",";
  return parse_chat(Json::parse("{" + messages + comma + members + "}"), model.facts(), {});
}

std::string param_of(const std::string& members) {
  const auto parsed = parse(members);
  return parsed ? "" : parsed.error().param;
}

TEST(ChatRequest, may_use_the_rest_of_the_context) {
  EXPECT_EQ(parse("")->max_tokens, std::nullopt);
  EXPECT_EQ(param_of(R"("max_tokens":0)"), "max_tokens");
  EXPECT_EQ(parse(R"("max_tokens":0,"prompt_logprobs":2)")->report.prompt_logprobs, 2u);
}

TEST(ChatRequest, needs_messages_and_no_prompt) {
  const testing::FakeModel model;
  EXPECT_EQ(parse_chat(Json::object(), model.facts(), {}).error().param, "messages");
  EXPECT_EQ(param_of(R"("messages":[])"), "messages");
  EXPECT_EQ(param_of(R"("prompt":"x")"), "prompt");
  EXPECT_EQ(param_of(R"("suffix":"x")"), "suffix");
}

TEST(ChatRequest, may_bring_its_prompt_as_ids) {
  const testing::FakeModel model;
  const auto parsed = [&](const char* body) {
    return parse_chat(Json::parse(body), model.facts(), {});
  };
  EXPECT_EQ(parsed(R"({"input_ids":[1,2]})")->prompt_ids, (std::vector<TokenId>{1, 2}));
  const auto both = parse(R"("input_ids":[7])");
  EXPECT_EQ(both->prompt_ids, std::vector<TokenId>{7}) << "as SGLang has it";
  EXPECT_TRUE(both->unknown.empty());
  EXPECT_EQ(param_of(R"("input_ids":[258])"), "input_ids");
  EXPECT_EQ(param_of(R"("input_ids":"x")"), "input_ids");
}

TEST(ChatRequest, logprobs_are_a_switch_and_a_number) {
  EXPECT_TRUE(parse(R"("logprobs":true)")->report.logprobs);
  EXPECT_EQ(parse(R"("logprobs":true,"top_logprobs":3)")->report.top_logprobs, 3u);
  EXPECT_EQ(param_of(R"("logprobs":3)"), "logprobs");
  EXPECT_EQ(param_of(R"("top_logprobs":3)"), "top_logprobs") << "needs logprobs";
  EXPECT_EQ(param_of(R"("top_logprobs":0)"), "");
  EXPECT_TRUE(parse(R"("n_probs":2)")->report.logprobs);
  EXPECT_EQ(param_of(R"("stream":true,"prompt_logprobs":1)"), "prompt_logprobs");
}

TEST(ChatRequest, thinking_is_switched_under_all_its_names) {
  const auto thinks = [](const std::string& members) {
    const auto parsed = parse(members);
    EXPECT_TRUE(parsed) << members;
    return parsed->template_kwargs.value("thinking", Json());
  };
  EXPECT_TRUE(thinks("").is_null());
  for (const char* on :
       {R"("thinking":{"type":"enabled"})", R"("thinking":{"type":"adaptive"})",
        R"("enable_thinking":true)", R"("reasoning_effort":"low")", R"("reasoning_effort":"max")",
        R"("reasoning":{"effort":"high"})", R"("reasoning":{"enabled":true})",
        R"("chat_template_kwargs":{"thinking":true})",
        R"("chat_template_kwargs":{"enable_thinking":true})"}) {
    EXPECT_EQ(thinks(on), true) << on;
  }
  for (const char* off : {R"("thinking":{"type":"disabled"})", R"("reasoning_effort":"none")",
                          R"("reasoning":{"enabled":false})", R"("enable_thinking":false)"}) {
    EXPECT_EQ(thinks(off), false) << off;
  }
  for (const char* bad : {R"("thinking":true)", R"("thinking":{"type":"x"})"}) {
    EXPECT_EQ(param_of(bad), "thinking.type") << bad;
  }
  EXPECT_EQ(param_of(R"("reasoning_effort":"huge")"), "reasoning_effort");
  EXPECT_EQ(param_of(R"("reasoning_effort":3)"), "reasoning_effort");
  EXPECT_EQ(param_of(R"("reasoning":3)"), "reasoning");
  EXPECT_EQ(param_of(R"("reasoning":{"effort":"huge"})"), "reasoning.effort");
}

TEST(ChatRequest, template_kwargs_are_a_whitelist) {
  EXPECT_EQ(param_of(R"("chat_template_kwargs":{"messages":"x"})"),
            "chat_template_kwargs.messages");
  EXPECT_EQ(param_of(R"("chat_template_kwargs":{"thinking":"yes"})"),
            "chat_template_kwargs.thinking");
  EXPECT_EQ(param_of(R"("chat_template_kwargs":3)"), "chat_template_kwargs");
}

TEST(ChatRequest, goes_on_with_an_answer_if_told_so_in_either_way) {
  const std::string prefix = R"("messages":[{"role":"user","content":"a"},)"
                             R"({"role":"assistant","content":"b","prefix":true}])";
  const std::string plain =
      R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}])";
  EXPECT_TRUE(parse(prefix)->go_on);
  EXPECT_FALSE(parse(plain)->go_on);
  EXPECT_TRUE(parse(plain + R"(,"continue_final_message":true)")->go_on);
  EXPECT_TRUE(
      parse(plain + R"(,"continue_final_message":true,"add_generation_prompt":false)")->go_on);
  EXPECT_EQ(param_of(plain + R"(,"continue_final_message":true,"add_generation_prompt":true)"),
            "add_generation_prompt");
  EXPECT_EQ(param_of(R"("continue_final_message":true)"), "continue_final_message");
  EXPECT_TRUE(parse(plain + R"(,"echo":true)")->echo);
  EXPECT_EQ(param_of(R"("echo":true)"), "echo");
}

TEST(ChatRequest, reasoning_may_be_kept_in_or_left_out_and_bounded) {
  const auto parsed =
      parse(R"("include_reasoning":false,"separate_reasoning":false,"thinking_token_budget":7)");
  EXPECT_FALSE(parsed->include_reasoning || parsed->separate_reasoning);
  EXPECT_EQ(parsed->reasoning_max, 7u);
  EXPECT_TRUE(parse("")->include_reasoning && parse("")->separate_reasoning);
}

TEST(ChatRequest, says_what_tier_it_was_asked_for) {
  EXPECT_EQ(parse(R"("service_tier":"flex")")->service_tier, "flex");
}

}  // namespace
}  // namespace baton::server::api
