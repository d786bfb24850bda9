#include <gtest/gtest.h>

#include "server/api/generate_request.h"

namespace baton::server::api {
namespace {

using Json = nlohmann::json;

TEST(Messages, roles_and_contents_that_templates_know_pass) {
  const Json messages = Json::parse(R"([{"role":"system","content":"a"},
    {"role":"developer","content":"b"},
    {"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},
    {"role":"assistant","content":null,"tool_calls":[{"id":"x"}]},
    {"role":"tool","content":"e","tool_call_id":"x"},
    {"role":"assistant","reasoning_content":"f"},
    {"role":"user","content":"","name":"n"}])");
  const auto checked = check_messages(messages, {});
  EXPECT_TRUE(checked) << checked.error().message;
}

TEST(Messages, mistakes_name_their_place) {
  const std::pair<const char*, const char*> cases[] = {
      {"3", "messages"},
      {"[]", "messages"},
      {"{}", "messages"},
      {"[3]", "messages[0]"},
      {R"([{"content":"x"}])", "messages[0].role"},
      {R"([{"role":"user","content":"x"},{"role":"king","content":"x"}])", "messages[1].role"},
      {R"([{"role":"function","content":"x"}])", "messages[0].role"},
      {R"([{"role":"user"}])", "messages[0].content"},
      {R"([{"role":"user","content":null}])", "messages[0].content"},
      {R"([{"role":"user","content":3}])", "messages[0].content"},
      {R"([{"role":"user","content":["x"]}])", "messages[0].content[0]"},
      {R"([{"role":"user","content":[{"type":"image_url"}]}])", "messages[0].content[0].type"},
      {R"([{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0].text"},
      {R"([{"role":"user","content":"x","tool_calls":[]}])", "messages[0].tool_calls"},
      {R"([{"role":"assistant","content":"x","prefix":true}])", "messages[0].prefix"}};
  for (const auto& [messages, param] : cases) {
    const auto checked = check_messages(Json::parse(messages), {});
    ASSERT_FALSE(checked) << messages;
    EXPECT_EQ(checked.error().param, param);
    EXPECT_EQ(checked.error().status, 400);
  }
}

TEST(Messages, their_number_is_limited) {
  const Json many(2049, Json{{"role", "user"}, {"content", "x"}});
  EXPECT_FALSE(check_messages(many, {}));
}

}  // namespace
}  // namespace baton::server::api
