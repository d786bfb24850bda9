#include "server/api/prompt/messages.h"

#include <gtest/gtest.h>

namespace baton::server::api {
namespace {

Json read(const std::string& messages) {
  auto result = read_messages(Json::parse(messages), {});
  EXPECT_TRUE(result) << result.error().message;
  return result ? *result : Json();
}

TEST(Messages, roles_and_contents_that_templates_know_pass) {
  const Json messages = read(R"([{"role":"system","content":"a"},
    {"role":"developer","content":"b"},
    {"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"x","function":{"name":"f"}}]},
    {"role":"tool","content":"e","tool_call_id":"x"},
    {"role":"assistant","reasoning_content":"f"},
    {"role":"user","content":"","name":"n","unheard_of":3}])");
  EXPECT_EQ(messages[1]["role"], "system");
  EXPECT_EQ(messages[3]["tool_calls"][0],
            Json::parse(R"({"id":"x","type":"function","function":{"name":"f","arguments":""}})"));
  EXPECT_EQ(messages[5]["reasoning_content"], "f");
  EXPECT_EQ(messages[6], Json::parse(R"({"role":"user","content":"","name":"n"})"));
}

TEST(Messages, calls_come_in_one_form_whoever_wrote_them) {
  const Json messages = read(R"([
    {"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"b":1,"a":2}}}]},
    {"role":"function","name":"f","content":"1"},
    {"role":"assistant","content":null,"function_call":{"name":"g","arguments":"{}"}},
    {"role":"assistant","content":"x","tool_calls":null},
    {"role":"assistant","content":"x","tool_calls":[]}])");
  EXPECT_EQ(messages[0]["tool_calls"][0]["function"]["arguments"], R"({"b":1,"a":2})");
  EXPECT_EQ(messages[1]["role"], "tool");
  EXPECT_EQ(messages[2]["tool_calls"][0]["function"]["name"], "g");
  EXPECT_FALSE(messages[3].contains("tool_calls") || messages[4].contains("tool_calls"));
}

TEST(Messages, mistakes_name_their_place) {
  const std::pair<const char*, const char*> cases[] = {
      {"3", "messages"},
      {"[]", "messages"},
      {"{}", "messages"},
      {"[3]", "messages[0]"},
      {R"([{"content":"x"}])", "messages[0].role"},
      {R"([{"role":"user","content":"x"},{"role":"king","content":"x"}])", "messages[1].role"},
      {R"([{"role":"user"}])", "messages[0].content"},
      {R"([{"role":"user","content":null}])", "messages[0].content"},
      {R"([{"role":"user","content":3}])", "messages[0].content"},
      {R"([{"role":"user","content":[3]}])", "messages[0].content[0]"},
      {R"([{"role":"user","content":[{"type":"image_url"}]}])", "messages[0].content[0].type"},
      {R"([{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0].text"},
      {R"([{"role":"user","content":"x","tool_calls":[{}]}])", "messages[0].tool_calls"},
      {R"([{"role":"assistant","tool_calls":3}])", "messages[0].tool_calls"},
      {R"([{"role":"assistant","tool_calls":[3]}])", "messages[0].tool_calls[0]"},
      {R"([{"role":"assistant","tool_calls":[{"type":"custom"}]}])",
       "messages[0].tool_calls[0].type"},
      {R"([{"role":"assistant","tool_calls":[{"function":{}}]}])",
       "messages[0].tool_calls[0].function.name"},
      {R"([{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":3}}]}])",
       "messages[0].tool_calls[0].function.arguments"},
      {R"([{"role":"assistant","content":"x","reasoning_content":3}])",
       "messages[0].reasoning_content"}};
  for (const auto& [messages, param] : cases) {
    const auto result = read_messages(Json::parse(messages), {});
    ASSERT_FALSE(result) << messages;
    EXPECT_EQ(result.error().param, param);
    EXPECT_EQ(result.error().status, 400);
  }
}

TEST(Messages, their_number_is_limited) {
  const Json many(2049, Json{{"role", "user"}, {"content", "x"}});
  EXPECT_FALSE(read_messages(many, {}));
}

TEST(Messages, the_text_of_a_content_is_its_parts_in_lines) {
  EXPECT_EQ(text_of("a"), "a");
  EXPECT_EQ(text_of(nullptr), "");
  EXPECT_EQ(text_of(Json::parse(R"([{"type":"text","text":"a"},"b"])")), "a\nb");
}

}  // namespace
}  // namespace baton::server::api
