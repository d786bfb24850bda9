#include "server/api/answer/chat_answer.h"

#include <gtest/gtest.h>

#include "tests/server/support/answers.h"

namespace baton::server::api {
namespace {

using testing::events_in;
using testing::events_of;
using testing::kAnswerBits;
using testing::special_events_of;

const testing::FakeModel kModel;
const testing::FakeModel kSpecial = testing::FakeModel().make_special();

std::string body(const std::string& members) {
  return R"({"messages":[{"role":"user","content":"x"}])" + members + "}";
}
// The prompt of this body has 20 tokens.
std::string chat(const std::string& members, const std::vector<TokenEvent>& events,
                 std::string_view explain = "") {
  return testing::answered(Dialect::chat, body(members), kModel, events, explain);
}
Json special(const std::string& members, std::string_view text,
             FinishReason finish = FinishReason::stop) {
  return Json::parse(testing::answered(Dialect::chat, body(members), kSpecial,
                                       special_events_of(kSpecial, text, finish)));
}
std::vector<Json> special_stream(const std::string& members, std::string_view text) {
  return events_in(testing::answered(Dialect::chat, body(members + R"(,"stream":true)"), kSpecial,
                                     special_events_of(kSpecial, text)));
}

const std::string kTools = R"(,"tools":[{"type":"function","function":{"name":"f"}}])";
const std::string kCalls =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\":1}<｜tool▁call▁end｜>"
    "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

const std::string kUsage = R"("usage":{"prompt_tokens":20,"completion_tokens":2,"total_tokens":22,)"
                           R"("prompt_tokens_details":{"cached_tokens":0},)"
                           R"("completion_tokens_details":{"reasoning_tokens":0},)"
                           R"("prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":20})";

TEST(ChatAnswer, a_whole_one_has_the_members_in_order) {
  EXPECT_EQ(chat("", events_of("hi")),
            R"({"id":"chatcmpl-)" + kAnswerBits +
                R"(","object":"chat.completion","created":5,"model":"fake",)"
                R"("system_fingerprint":null,"choices":[)"
                R"({"index":0,"message":{"role":"assistant","content":"hi","refusal":null},)"
                R"("logprobs":null,"finish_reason":"stop"}],)" +
                kUsage + "}");
}

TEST(ChatAnswer, a_stream_is_role_then_content_then_finish_then_done) {
  const std::string head =
      R"(data: {"id":"chatcmpl-)" + kAnswerBits +
      R"(","object":"chat.completion.chunk","created":5,"model":"fake","system_fingerprint":null,)"
      R"("choices":[{"index":0,"delta":)";
  EXPECT_EQ(chat(R"(,"stream":true)", events_of("hi")),
            head + R"({"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]})" +
                "\n\n" + head + R"({"content":"h"},"logprobs":null,"finish_reason":null}]})" +
                "\n\n" + head + R"({"content":"i"},"logprobs":null,"finish_reason":null}]})" +
                "\n\n" + head + R"({},"logprobs":null,"finish_reason":"stop"}]})" + "\n\n" +
                "data: [DONE]\n\n");
}

TEST(ChatAnswer, usage_comes_last_without_choices_and_only_if_asked_for) {
  const std::string out =
      chat(R"(,"stream":true,"stream_options":{"include_usage":true})", events_of("hi"));
  EXPECT_TRUE(out.ends_with(R"("choices":[],)" + kUsage + "}\n\ndata: [DONE]\n\n")) << out;
}

TEST(ChatAnswer, usage_may_come_with_every_event) {
  const auto events = events_in(
      chat(R"(,"stream":true,"stream_options":{"continuous_usage_stats":true})", events_of("hi")));
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[1]["usage"]["completion_tokens"], 1);
  EXPECT_EQ(events[2]["usage"]["completion_tokens"], 2);
}

TEST(ChatAnswer, logprobs_have_bytes_and_alternatives) {
  auto events = events_of("h");
  events[0].top = {{104, -0.5f}, {0xF0, -std::numeric_limits<float>::infinity()}};
  const Json json = Json::parse(chat(R"(,"logprobs":true,"top_logprobs":2)", events));
  EXPECT_EQ(json["choices"][0]["logprobs"],
            Json::parse("{\"content\":[{\"token\":\"h\",\"logprob\":-0.5,\"bytes\":[104],"
                        "\"top_logprobs\":[{\"token\":\"h\",\"logprob\":-0.5,\"bytes\":[104]},"
                        "{\"token\":\"\xEF\xBF\xBD\",\"logprob\":-9999.0,\"bytes\":[240]}]}]}"));
}

TEST(ChatAnswer, says_what_stopped_it_where_that_was_asked) {
  auto events = events_of("a");
  events[0].stop_string = "zz";
  EXPECT_NE(chat(R"(,"stop":"zz")", events).find(R"("stop_reason":"zz")"), std::string::npos);
  EXPECT_EQ(chat("", events).find("stop_reason"), std::string::npos);
}

TEST(ChatAnswer, each_choice_of_a_stream_has_a_role_and_a_finish_of_its_own) {
  const auto prepared =
      testing::prepared_of(Dialect::chat, body(R"(,"stream":true,"n":2)"), kModel);
  const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
  std::string out;
  answer->tokens(0, events_of("a", 1), out);
  answer->tokens(0, events_of("b", 0), out);
  for (const char* part : {R"("index":0,"delta":{"role")", R"("index":1,"delta":{"role")",
                           R"("index":0,"delta":{},)", R"("index":1,"delta":{},)"}) {
    EXPECT_NE(out.find(part), std::string::npos) << part;
  }
}

TEST(ChatAnswer, a_failed_stream_says_so_and_ends) {
  const auto prepared = testing::prepared_of(Dialect::chat, body(R"(,"stream":true)"), kModel);
  std::string out;
  make_answer(prepared, kModel, testing::kAnswerName)
      ->fail(unavailable("no_capacity", "Lost.", 1), out);
  EXPECT_TRUE(out.starts_with(R"(data: {"error":{"message":"Lost.")"));
  EXPECT_TRUE(out.ends_with("}}\n\ndata: [DONE]\n\n"));
}

TEST(ChatAnswer, an_explanation_is_a_member_of_its_own) {
  EXPECT_NE(chat("", events_of("a"), R"({"x":1})").find(R"(,"explain":{"x":1}})"),
            std::string::npos);
}

TEST(ChatAnswer, reasoning_is_told_apart_and_counted) {
  const Json json = special(R"(,"thinking":{"type":"enabled"})", "so\n</think>\n\nyes");
  const Json& message = json["choices"][0]["message"];
  EXPECT_EQ(message["content"], "yes");
  EXPECT_EQ(message["reasoning_content"], "so");
  EXPECT_EQ(json["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
  const Json hidden =
      special(R"(,"thinking":{"type":"enabled"},"include_reasoning":false)", "so</think>yes");
  EXPECT_FALSE(hidden["choices"][0]["message"].contains("reasoning_content"));
}

TEST(ChatAnswer, a_stream_tells_reasoning_before_content) {
  const auto events = special_stream(R"(,"thinking":{"type":"enabled"})", "so</think>yes");
  std::string order;
  for (const auto& event : events) {
    if (event == "[DONE]") continue;
    const Json& delta = event["choices"][0]["delta"];
    if (delta.contains("reasoning_content")) order += 'r';
    if (delta.contains("content") && delta["content"] != "") order += 'c';
  }
  EXPECT_EQ(order, "rrccc");
}

TEST(ChatAnswer, calls_are_whole_with_ids_of_ours) {
  const Json json = special(kTools, "Well." + kCalls);
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "Well.");
  const Json& calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]["id"], "call_000000000000000b00000000");
  EXPECT_EQ(calls[0]["type"], "function");
  EXPECT_EQ(calls[0]["function"], Json::parse(R"({"name":"f","arguments":"{\"a\":1}"})"));
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);
  EXPECT_TRUE(special(kTools, kCalls)["choices"][0]["message"]["content"].is_null());
}

TEST(ChatAnswer, a_streams_first_delta_of_a_call_has_all_that_names_it) {
  std::string arguments[2], order;
  for (const auto& event : special_stream(kTools, kCalls)) {
    if (event == "[DONE]") continue;
    const Json& choice = event["choices"][0];
    if (!choice["finish_reason"].is_null()) order += choice["finish_reason"].get<std::string>();
    if (!choice["delta"].contains("tool_calls")) continue;
    const Json& call = choice["delta"]["tool_calls"][0];
    const auto index = call["index"].get<size_t>();
    if (call.contains("id")) {
      EXPECT_EQ(call["type"], "function");
      EXPECT_EQ(call["function"]["name"], "f");
      order += fmt::format("call{} ", index);
    }
    arguments[index] += call["function"]["arguments"].get<std::string>();
  }
  EXPECT_EQ(order, "call0 call1 tool_calls");
  EXPECT_EQ(arguments[0], R"({"a":1})");
  EXPECT_EQ(arguments[1], "{}");
}

TEST(ChatAnswer, a_malformed_call_comes_back_as_text) {
  const std::string broken =
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{oops}<｜tool▁call▁end｜>"
      "<｜tool▁calls▁end｜>";
  const Json choice = special(kTools, broken)["choices"][0];
  EXPECT_EQ(choice["message"]["content"], broken);
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
  EXPECT_EQ(choice["finish_reason"], "stop");
  std::string content;
  for (const auto& event : special_stream(kTools, broken)) {
    if (event != "[DONE]") content += event["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(content, "oops}<｜tool▁call▁end｜><｜tool▁calls▁end｜>")
      << "what was told of the call is not said again";
}

TEST(ChatAnswer, an_answer_cut_off_in_a_call_says_so) {
  const Json json = special(kTools, kCalls.substr(0, kCalls.find("1}")), FinishReason::length);
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
  EXPECT_FALSE(json["choices"][0]["message"].contains("tool_calls"));
}

TEST(ChatAnswer, every_token_has_its_logprobs_whatever_it_says) {
  const auto events = special_stream(kTools + R"(,"logprobs":true)", "a" + kCalls);
  size_t told = 0;
  for (const auto& event : events) {
    if (event == "[DONE]" || event["choices"][0]["logprobs"].is_null()) continue;
    told += event["choices"][0]["logprobs"]["content"].size();
  }
  EXPECT_EQ(told, special_events_of(kSpecial, "a" + kCalls).size());
}

TEST(ChatAnswer, scores_of_the_prompt_stand_beside_the_choices) {
  const auto prepared =
      testing::prepared_of(Dialect::chat, body(R"(,"prompt_logprobs":1,"max_tokens":0)"), kModel);
  const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
  answer->scores(0, {1, {{{117, -0.5f}, 1, {{117, -0.5f}}}}});
  std::string out;
  answer->finish(0, "", out);
  const Json json = Json::parse(out);
  EXPECT_EQ(json["prompt_logprobs"].size(), 2u);
  EXPECT_EQ(json["prompt_logprobs"][1]["117"]["rank"], 1);
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(json["usage"]["completion_tokens"], 0);
}

TEST(ChatAnswer, an_answer_gone_on_with_may_begin_with_what_was_there) {
  const std::string members =
      R"({"messages":[{"role":"assistant","content":"Ro"}],"continue_final_message":true,)"
      R"("echo":true)";
  const Json whole =
      Json::parse(testing::answered(Dialect::chat, members + "}", kModel, events_of("ses")));
  EXPECT_EQ(whole["choices"][0]["message"]["content"], "Roses");
  std::string content;
  for (const auto& event : events_in(testing::answered(
           Dialect::chat, members + R"(,"stream":true})", kModel, events_of("ses")))) {
    if (event != "[DONE]") content += event["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(content, "Roses");
}

TEST(ChatAnswer, the_tier_is_told_back) {
  EXPECT_EQ(Json::parse(chat(R"(,"service_tier":"flex")", events_of("a")))["service_tier"], "flex");
}

}  // namespace
}  // namespace baton::server::api
