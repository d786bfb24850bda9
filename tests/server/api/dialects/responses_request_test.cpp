#include "server/api/dialects/responses_request.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

ApiResult<GenerateRequest> parse(const std::string& body) {
  const testing::FakeModel model;
  return parse_responses(Json::parse(body), model.facts(), {});
}
Json messages(const std::string& body) {
  const auto request = parse(body);
  EXPECT_TRUE(request) << request.error().message;
  return request ? request->messages : Json();
}

TEST(ResponsesRequest, text_and_instructions_are_a_conversation) {
  EXPECT_EQ(messages(R"({"input":"hi","instructions":"Be brief."})"), Json::parse(R"([
    {"role":"system","content":"Be brief."},{"role":"user","content":"hi"}])"));
}

TEST(ResponsesRequest, items_of_one_turn_are_one_message) {
  EXPECT_EQ(messages(R"({"input":[
      {"role":"developer","content":"d"},
      {"role":"user","content":[{"type":"input_text","text":"q"}]},
      {"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},
      {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
      {"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},
      {"type":"function_call_output","call_id":"c1","output":"1"},
      {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"2"}]},
      {"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]},
      {"type":"reasoning","summary":[]},
      {"role":"user","content":"q2"}]})"),
            Json::parse(R"([
      {"role":"system","content":"d"},
      {"role":"user","content":[{"type":"text","text":"q"}]},
      {"role":"assistant","content":null,"tool_calls":[
        {"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},
        {"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}],
        "reasoning_content":"hm"},
      {"role":"tool","content":"1","tool_call_id":"c1"},
      {"role":"tool","content":[{"type":"text","text":"2"}],"tool_call_id":"c2"},
      {"role":"assistant","content":[{"type":"text","text":"a"}]},
      {"role":"user","content":"q2"}])"));
}

TEST(ResponsesRequest, reasoning_joins_the_text_behind_it) {
  const Json all = messages(R"({"input":[{"role":"user","content":"q"},
      {"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},
      {"type":"message","role":"assistant","content":"a"}]})");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1]["content"], "a");
  EXPECT_EQ(all[1]["reasoning_content"], "hm");
}

TEST(ResponsesRequest, fields_go_where_those_of_a_chat_do) {
  const auto request = parse(R"({"input":"x","max_output_tokens":7,"temperature":0.5,"top_p":0.5,
    "stream":true,"top_logprobs":2,"parallel_tool_calls":false,"reasoning":{"effort":"high"},
    "tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],
    "tool_choice":{"type":"function","name":"f"},"store":false,"metadata":{"a":"b"},
    "stream_options":{"include_obfuscation":false},"truncation":"disabled"})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_TRUE(request->unknown.empty()) << request->unknown.front();
  EXPECT_EQ(parse(R"({"input":"x","odd":1,"n":null})")->unknown, std::vector<std::string>{"odd"});
  EXPECT_EQ(request->max_tokens, 7u);
  EXPECT_EQ(request->sampling.temperature, 0.5f);
  EXPECT_TRUE(request->stream && request->report.logprobs);
  EXPECT_EQ(request->report.top_logprobs, 2u);
  EXPECT_FALSE(request->parallel_tool_calls);
  EXPECT_EQ(request->template_kwargs["thinking"], true);
  EXPECT_EQ(request->tools[0]["function"]["name"], "f");
  EXPECT_EQ(request->tool_choice.kind, ToolChoice::Kind::named);
  EXPECT_EQ(request->repeated["metadata"]["a"], "b");
  EXPECT_EQ(request->repeated["tools"][0]["name"], "f");
  EXPECT_TRUE(parse(R"({"input":"x","tools":[]})"));
  EXPECT_TRUE(
      parse(R"({"input":"x","include":["message.output_text.logprobs"]})")->report.logprobs);
  EXPECT_EQ(parse(R"({"input":"x","text":{"format":{"type":"json_schema","name":"n",
    "schema":{"a":1}}}})")
                ->constraint->value.dump(),
            R"({"a":1})");
  EXPECT_FALSE(
      parse(R"({"input":"x","text":{"format":{"type":"text"},"verbosity":"low"}})")->constraint);
}

TEST(ResponsesRequest, items_that_are_remembered_may_be_referred_to) {
  const testing::FakeModel model;
  ItemMemory memory(1000);
  memory.put("a", "msg_1", R"({"type":"message","role":"assistant","content":"a"})");
  const auto body = Json::parse(
      R"({"input":[{"role":"user","content":"q"},{"type":"item_reference","id":"msg_1"},
                   {"role":"user","content":"r"}],"store":false})");
  const TenantItems items{memory, "a"}, others{memory, "b"};
  EXPECT_FALSE(parse_responses(body, model.facts(), {}, &others)) << "another tenant's";
  const auto request = parse_responses(body, model.facts(), {}, &items);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->messages[1], Json::parse(R"({"role":"assistant","content":"a"})"));
  EXPECT_FALSE(request->store);
}

TEST(ResponsesRequest, what_needs_a_memory_is_refused_by_name) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"input":"x","previous_response_id":"resp_1"})", "previous_response_id"},
      {R"({"input":"x","conversation":"c"})", "conversation"},
      {R"({"input":"x","prompt":{"id":"p"}})", "prompt"},
      {R"({"input":"x","background":true})", "background"},
      {R"({"input":"x","n":2})", "n"},
      {R"({"input":"x","tools":[{"type":"web_search"}]})", "tools[0].type"},
      {R"({"input":[{"type":"item_reference","id":"x"}]})", "input[0].id"},
      {R"({"input":[{"type":"web_search_call"}]})", "input[0].type"}};
  for (const auto& [body, param] : cases) {
    const auto request = parse(body);
    ASSERT_FALSE(request) << body;
    EXPECT_EQ(request.error().param, param);
  }
}

TEST(ResponsesRequest, mistakes_name_their_place) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "input"},
      {R"({"input":[]})", "input"},
      {R"({"input":3})", "input"},
      {R"({"input":[3]})", "input[0]"},
      {R"({"input":[{"content":"x"}]})", "input[0].role"},
      {R"({"input":[{"role":"user","content":[{"type":"input_image"}]}]})",
       "input[0].content[0].type"},
      {R"({"input":[{"role":"user","content":[{"type":"input_text"}]}]})",
       "input[0].content[0].text"},
      {R"({"input":[{"role":"user","content":3}]})", "input[0].content"},
      {R"({"input":[{"role":"king","content":"x"}]})", "messages[0].role"},
      {R"({"input":[{"type":"function_call"}]})", "input[0]"},
      {R"({"input":"x","max_output_tokens":0})", "max_output_tokens"},
      {R"({"input":"x","temperature":3})", "temperature"},
      {R"({"input":"x","tools":3})", "tools"},
      {R"({"input":"x","tool_choice":"required"})", "tool_choice"},
      {R"({"input":"x","text":3})", "text"},
      {R"({"input":"x","text":{"format":{"type":"xml"}}})", "text.format.type"}};
  for (const auto& [body, param] : cases) {
    const auto request = parse(body);
    ASSERT_FALSE(request) << body;
    EXPECT_EQ(request.error().param, param) << body;
  }
}

}  // namespace
}  // namespace baton::server::api
