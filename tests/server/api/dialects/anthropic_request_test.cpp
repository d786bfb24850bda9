#include "server/api/dialects/anthropic_request.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

ApiResult<GenerateRequest> parse(const std::string& members) {
  const testing::FakeModel model;
  const char* messages = members.find("\"messages\"") == std::string::npos
                             ? R"("messages":[{"role":"user","content":"q"}],)"
                             : "";
  const char* tokens = members.find("max_tokens") == std::string::npos ? R"("max_tokens":9,)" : "";
  return parse_anthropic(Json::parse(std::string("{") + messages + tokens + members + "}"),
                         model.facts(), {});
}

TEST(AnthropicRequest, turns_become_the_messages_of_a_chat) {
  const auto request =
      parse(R"("system":[{"type":"text","text":"s","cache_control":{}}],"messages":[
      {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
      {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},
        {"type":"text","text":"let me"},
        {"type":"tool_use","id":"t1","name":"f","input":{"z":1,"a":2}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"21"},
        {"type":"tool_result","tool_use_id":"t2","content":[{"type":"text","text":"22"}]},
        {"type":"text","text":"and?"}]},
      {"role":"assistant","content":[{"type":"tool_use","id":"t3","name":"f","input":{}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"t3"}]}])");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->messages, Json::parse(R"([
      {"role":"system","content":"s"},
      {"role":"user","content":"a\nb"},
      {"role":"assistant","content":"let me","tool_calls":[
        {"id":"t1","type":"function","function":{"name":"f","arguments":"{\"z\":1,\"a\":2}"}}],
        "reasoning_content":"hm"},
      {"role":"tool","content":"21","tool_call_id":"t1"},
      {"role":"tool","content":"22","tool_call_id":"t2"},
      {"role":"user","content":"and?"},
      {"role":"assistant","content":"","tool_calls":[
        {"id":"t3","type":"function","function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","content":"","tool_call_id":"t3"}])"));
  EXPECT_FALSE(request->go_on);
}

TEST(AnthropicRequest, a_last_turn_of_the_assistants_is_gone_on_with) {
  EXPECT_TRUE(parse(R"("messages":[{"role":"user","content":"q"},
      {"role":"assistant","content":"Ro"}])")
                  ->go_on);
}

TEST(AnthropicRequest, fields_go_where_those_of_a_chat_do) {
  const auto request = parse(R"("max_tokens":7,"temperature":0.5,"top_k":5,"stream":true,
    "stop_sequences":["x"],"thinking":{"type":"enabled","budget_tokens":1024},
    "tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],
    "tool_choice":{"type":"any","disable_parallel_tool_use":true},"metadata":{"user_id":"u"},
    "service_tier":"auto")");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_TRUE(request->unknown.empty()) << request->unknown.front();
  EXPECT_EQ(parse(R"("odd":1,"thinking":{"type":"disabled","x":1})")->unknown,
            (std::vector<std::string>{"odd", "thinking.x"}));
  EXPECT_EQ(request->max_tokens, 7u);
  EXPECT_EQ(request->sampling.top_k, 5u);
  EXPECT_EQ(request->stop.strings, std::vector<std::string>{"x"});
  EXPECT_EQ(request->reasoning_max, 1024u);
  EXPECT_EQ(request->template_kwargs["thinking"], true);
  EXPECT_EQ(request->tools, Json::parse(R"([{"type":"function","function":
    {"name":"f","description":"d","parameters":{"type":"object"}}}])"));
  EXPECT_EQ(request->tool_choice.kind, ToolChoice::Kind::required);
  EXPECT_FALSE(request->parallel_tool_calls);
  const std::string tools = R"("tools":[{"name":"f","input_schema":{}}])";
  EXPECT_EQ(parse(tools)->tool_choice.kind, ToolChoice::Kind::automatic);
  EXPECT_EQ(parse(tools + R"(,"tool_choice":{"type":"none"})")->tool_choice.kind,
            ToolChoice::Kind::none);
  EXPECT_EQ(parse(tools + R"(,"tool_choice":{"type":"tool","name":"f"})")->tool_choice.name, "f");
}

TEST(AnthropicRequest, mistakes_name_their_place) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("max_tokens":null)", "max_tokens"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("messages":[])", "messages"},
      {R"("messages":[3])", "messages[0].role"},
      {R"("messages":[{"role":"tool","content":"x"}])", "messages[0].role"},
      {R"("messages":[{"role":"user"}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":[{"type":"image"}]}])",
       "messages[0].content[0].type"},
      {R"("messages":[{"role":"user","content":[{"type":"tool_use"}]}])",
       "messages[0].content[0].type"},
      {R"("messages":[{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0]"},
      {R"("messages":[{"role":"assistant","content":[{"type":"tool_use","name":"f","input":3}]}])",
       "messages[0].content[0]"},
      {R"("system":3)", "system"},
      {R"("tools":3)", "tools"},
      {R"("tools":[{"type":"bash_20250124","name":"bash"}])", "tools[0].type"},
      {R"("tools":[{"name":""}])", "tools[0].function.name"},
      {R"("tool_choice":"any")", "tool_choice"},
      {R"("tool_choice":{"type":"any"})", "tool_choice"},
      {R"("tools":[{"name":"f"}],"tool_choice":{"type":"tool","name":"g"})", "tool_choice"},
      {R"("tools":[{"name":"f"}],"tool_choice":{"type":"x"})", "tool_choice.type"},
      {R"("mcp_servers":[{}])", "mcp_servers"},
      {R"("stop_sequences":[""])", "stop_sequences"},
      {R"("thinking":{"type":"enabled","budget_tokens":"x"})", "thinking.budget_tokens"}};
  for (const auto& [members, param] : cases) {
    const auto request = parse(members);
    ASSERT_FALSE(request) << members;
    EXPECT_EQ(request.error().param, param) << members;
  }
}

}  // namespace
}  // namespace baton::server::api
