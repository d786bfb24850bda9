#include "server/api/dialects/anthropic_answer.h"

#include <gtest/gtest.h>

#include "tests/server/support/answers.h"

namespace baton::server::api {
namespace {

using testing::events_in;
using testing::special_events_of;

const testing::FakeModel kModel = testing::FakeModel().make_special();
const std::string kAll =
    "<think>so</think>well<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\":1}"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
const std::string kBroken =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{oops}<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜>";
const std::string kTools = R"(,"tools":[{"name":"f","input_schema":{}}])";
const std::string kHead = R"({"max_tokens":99,"messages":[{"role":"user","content":"x"}])";

std::string answer(const std::string& members, const std::vector<TokenEvent>& events) {
  return testing::answered(Dialect::messages, kHead + members + "}", kModel, events);
}
Json whole(const std::string& members, std::string_view text,
           FinishReason finish = FinishReason::stop) {
  return Json::parse(answer(members, special_events_of(kModel, text, finish)));
}

TEST(AnthropicAnswer, a_whole_one_has_a_block_for_each_part) {
  const Json json = whole(kTools, kAll);
  EXPECT_EQ(json["type"], "message");
  EXPECT_EQ(json["role"], "assistant");
  EXPECT_EQ(json["stop_reason"], "tool_use");
  ASSERT_EQ(json["content"].size(), 3u);
  EXPECT_EQ(json["content"][0],
            Json::parse(R"({"type":"thinking","thinking":"so","signature":""})"));
  EXPECT_EQ(json["content"][1], Json::parse(R"({"type":"text","text":"well"})"));
  EXPECT_EQ(json["content"][2]["input"], Json::parse(R"({"a":1})"));
  EXPECT_TRUE(json["content"][2]["id"].get<std::string>().starts_with("toolu_"));
  EXPECT_EQ(json["usage"]["output_tokens"], special_events_of(kModel, kAll).size());
}

TEST(AnthropicAnswer, a_whole_one_has_its_blocks_in_the_order_in_which_they_were_said) {
  const Json json = whole(kTools, kAll + " and more");
  ASSERT_EQ(json["content"].size(), 4u);
  EXPECT_EQ(json["content"][2]["type"], "tool_use");
  EXPECT_EQ(json["content"][3], Json::parse(R"({"type":"text","text":" and more"})"));
  const Json broken = whole(kTools, "a" + kBroken);
  ASSERT_EQ(broken["content"].size(), 1u);
  EXPECT_EQ(broken["content"][0]["text"], "a" + kBroken);
}

TEST(AnthropicAnswer, has_no_empty_blocks) {
  EXPECT_EQ(whole("", "<think>so")["content"],
            Json::parse(R"([{"type":"thinking","thinking":"so","signature":""}])"));
  EXPECT_EQ(whole("", "<think></think>")["content"], Json::array());
}

TEST(AnthropicAnswer, input_has_no_half_surrogates) {
  std::string call = kAll;
  call.replace(call.find("{\"a\":1}"), 7, R"({"a":"\\\ud800x\uD83D\uDE00\udc00"})");
  const std::string text = answer(kTools, special_events_of(kModel, call));
  EXPECT_NE(text.find(R"("input":{"a":"\\\ufffdx\uD83D\uDE00\ufffd"})"), std::string::npos) << text;
}

TEST(AnthropicAnswer, says_why_it_stopped) {
  EXPECT_EQ(whole("", "a")["stop_reason"], "end_turn");
  EXPECT_EQ(whole("", "a", FinishReason::length)["stop_reason"], "max_tokens");
  auto events = special_events_of(kModel, "a");
  events[0].stop_string = "zz";
  const Json stopped = Json::parse(answer(R"(,"stop_sequences":["zz"])", events));
  EXPECT_EQ(stopped["stop_reason"], "stop_sequence");
  EXPECT_EQ(stopped["stop_sequence"], "zz");
}

TEST(AnthropicAnswer, a_stream_has_a_broken_call_as_text) {
  std::string text, reason;
  for (const Json& event :
       events_in(answer(kTools + R"(,"stream":true)", special_events_of(kModel, kBroken)))) {
    if (event["type"] == "content_block_delta") text += event["delta"].value("text", "");
    if (event["type"] == "message_delta") reason = event["delta"]["stop_reason"];
  }
  EXPECT_EQ(text, kBroken);
  EXPECT_EQ(reason, "end_turn");
}

TEST(AnthropicAnswer, a_stream_has_the_events_that_clients_wait_for_in_order) {
  std::vector<std::string> types;
  std::string text, json, thinking;
  for (const Json& event :
       events_in(answer(kTools + R"(,"stream":true)", special_events_of(kModel, kAll)))) {
    std::string type = event["type"].get<std::string>();
    if (type == "content_block_delta") {
      const Json& delta = event["delta"];
      text += delta.value("text", "");
      json += delta.value("partial_json", "");
      thinking += delta.value("thinking", "");
    }
    if (type == "message_delta") {
      EXPECT_EQ(event["delta"]["stop_reason"], "tool_use");
    }
    if (types.empty() || types.back() != type) types.push_back(std::move(type));
  }
  const std::vector<std::string> block = {"content_block_start", "content_block_delta",
                                          "content_block_stop"};
  std::vector<std::string> expected = {"message_start"};
  for (int i = 0; i < 3; ++i) expected.insert(expected.end(), block.begin(), block.end());
  expected.insert(expected.end(), {"message_delta", "message_stop"});
  EXPECT_EQ(types, expected);
  EXPECT_EQ(text, "well");
  EXPECT_EQ(json, R"({"a":1})");
  EXPECT_EQ(thinking, "so");
}

TEST(AnthropicAnswer, errors_have_the_types_that_clients_know) {
  ApiError error = bad_value("x", "No.");
  const std::pair<int, const char*> types[] = {
      {400, "invalid_request_error"}, {401, "authentication_error"},
      {404, "not_found_error"},       {405, "invalid_request_error"},
      {409, "invalid_request_error"}, {413, "request_too_large"},
      {429, "rate_limit_error"},      {500, "api_error"},
      {503, "overloaded_error"},      {504, "timeout_error"}};
  for (const auto& [status, type] : types) {
    error.status = status;
    const Json json = Json::parse(anthropic_error_json(error));
    EXPECT_EQ(json["type"], "error");
    EXPECT_EQ(json["error"]["type"], type);
    EXPECT_EQ(json["error"]["param"], "x");
  }
}

TEST(AnthropicAnswer, a_failed_stream_ends_with_the_error) {
  const auto prepared =
      testing::prepared_of(Dialect::messages, kHead + R"(,"stream":true})", kModel);
  std::string out;
  make_answer(prepared, kModel, testing::kAnswerName)
      ->fail(unavailable("no_capacity", "Lost.", 1), out);
  EXPECT_EQ(events_in(out).back()["error"]["message"], "Lost.");
}

}  // namespace
}  // namespace baton::server::api
