#include "server/inference/call_body.h"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

rpc::ChatCall call_of(std::vector<rpc::ChatMessage> messages) {
  rpc::ChatCall call;
  call.turn.prompt = std::move(messages);
  return call;
}

TEST(CallBody, messages_keep_reasoning_calls_and_answers_of_tools) {
  const auto body = body_of(call_of({{.role = "assistant",
                                      .content = "",
                                      .reasoning = "hm",
                                      .tool_calls = {{"c1", "f", "{\"a\":1}"}}},
                                     {.role = "tool", .content = "2", .tool_call_id = "c1"}}));
  EXPECT_EQ(body["messages"][0]["reasoning_content"], "hm");
  EXPECT_EQ(body["messages"][0]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
  EXPECT_EQ(body["messages"][0]["tool_calls"][0]["type"], "function");
  EXPECT_EQ(body["messages"][1]["tool_call_id"], "c1");
  EXPECT_FALSE(body["messages"][1].contains("reasoning_content"));
}

TEST(CallBody, tools_become_functions_and_their_choice_is_said_as_over_http) {
  rpc::ChatCall call = call_of({{"user", "hi"}});
  EXPECT_FALSE(body_of(call).contains("tools"));
  EXPECT_FALSE(body_of(call).contains("tool_choice"));
  call.tools = {{"f", "adds", R"({"type":"object"})"}, {"g", "", "no JSON"}, {"h", "", ""}};
  call.tool_mode = rpc::ToolMode::required;
  call.parallel_tool_calls = false;
  call.thinking = true;
  auto body = body_of(call);
  EXPECT_EQ(body["tools"][0]["function"]["parameters"]["type"], "object");
  EXPECT_EQ(body["tools"][1]["function"]["parameters"], "no JSON");
  EXPECT_FALSE(body["tools"][2]["function"].contains("parameters"));
  EXPECT_EQ(body["tool_choice"], "required");
  EXPECT_EQ(body["parallel_tool_calls"], false);
  EXPECT_EQ(body["chat_template_kwargs"]["thinking"], true);
  call.tool_name = "g";
  EXPECT_EQ(body_of(call)["tool_choice"]["function"]["name"], "g");
}

TEST(CallBody, a_schema_without_bottom_is_a_text_that_will_be_refused) {
  rpc::ChatCall call = call_of({{"user", "hi"}});
  const auto nested = [](size_t depth) {
    return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  call.tools = {{"f", "", nested(10)}, {"g", "", nested(1'000'000)}, {"h", "", R"({"a":1,"a":2})"}};
  const auto body = body_of(call);
  EXPECT_TRUE(body["tools"][0]["function"]["parameters"].is_object());
  EXPECT_TRUE(body["tools"][1]["function"]["parameters"].is_string());
  EXPECT_TRUE(body["tools"][2]["function"]["parameters"].is_string());
}

TEST(CallBody, a_turn_that_goes_on_is_asked_for_so) {
  rpc::ChatCall call = call_of({{"assistant", "and then"}});
  EXPECT_FALSE(body_of(call).contains("continue_final_message"));
  call.go_on = true;
  EXPECT_EQ(body_of(call)["continue_final_message"], true);
  EXPECT_EQ(body_of(call)["add_generation_prompt"], false);
}

TEST(CallBody, what_is_not_given_is_left_to_the_server) {
  rpc::GenerateCall call;
  call.prompt = std::string("x");
  EXPECT_FALSE(body_of(call).contains("seed"));
  EXPECT_FALSE(body_of(call).contains("max_tokens"));
  EXPECT_FALSE(body_of(call).contains("logprobs"));
  for (const char* name : {"temperature", "top_p", "top_k", "min_p", "presence_penalty",
                           "frequency_penalty", "repetition_penalty"}) {
    EXPECT_FALSE(body_of(call).contains(name)) << name;
  }
  call.given.temperature = call.given.top_k = true;
  call.sampling.temperature = 0;
  EXPECT_EQ(body_of(call)["temperature"], 0);
  EXPECT_EQ(body_of(call)["top_k"], 0);
  call.report.logprobs = true;
  EXPECT_EQ(body_of(call)["logprobs"], 0);
}

TEST(CallBody, questions_of_the_tokenizer) {
  const auto text = body_of(rpc::TokenizeCall{"m", std::string("x"), false});
  EXPECT_EQ(text.dump(), R"({"model":"m","add_special_tokens":false,"prompt":"x"})");
  const auto chat = body_of(rpc::TokenizeCall{"m", std::vector<rpc::ChatMessage>{{"user", "x"}}});
  EXPECT_EQ(chat["messages"][0]["role"], "user");
  EXPECT_EQ(body_of(rpc::DetokenizeCall{"m", {1, 2}})["tokens"].dump(), "[1,2]");
}

}  // namespace
}  // namespace baton::server
