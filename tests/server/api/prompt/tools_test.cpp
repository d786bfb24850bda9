#include "server/api/prompt/tools.h"

#include <gtest/gtest.h>

namespace baton::server::api {
namespace {

const std::string kTools = R"("tools":[{"type":"function","function":{"name":"f",
  "parameters":{"type":"object"}}},{"type":"function","function":{"name":"g"}}])";

ApiResult<GenerateRequest> read(const std::string& members) {
  const Json body = Json::parse("{" + members + "}");
  GenerateRequest request;
  Fields fields(body);
  read_tools(fields, {}, request);
  if (auto result = fields.result(); !result) return result.error();
  return request;
}

TEST(Tools, the_choice_is_automatic_with_tools_and_none_without) {
  EXPECT_EQ(read("")->tool_choice.kind, ToolChoice::Kind::none);
  EXPECT_EQ(read(kTools)->tool_choice.kind, ToolChoice::Kind::automatic);
  EXPECT_EQ(read(kTools + R"(,"tool_choice":"none")")->tool_choice.kind, ToolChoice::Kind::none);
  EXPECT_EQ(read(kTools + R"(,"tool_choice":"required")")->tool_choice.kind,
            ToolChoice::Kind::required);
  EXPECT_EQ(read(R"("tool_choice":"auto")")->tool_choice.kind, ToolChoice::Kind::none);
  const auto named = read(kTools + R"(,"tool_choice":{"type":"function","function":{"name":"g"}})");
  EXPECT_EQ(named->tool_choice.kind, ToolChoice::Kind::named);
  EXPECT_EQ(named->tool_choice.name, "g");
  EXPECT_TRUE(named->parallel_tool_calls);
  EXPECT_FALSE(read(kTools + R"(,"parallel_tool_calls":false)")->parallel_tool_calls);
  EXPECT_EQ(tool_names(named->tools), (std::vector<std::string>{"f", "g"}));
}

TEST(Tools, mistakes_name_their_place) {
  const auto one = [](const std::string& function) {
    return R"("tools":[{"type":"function","function":)" + function + "}]";
  };
  const std::pair<std::string, const char*> cases[] = {
      {R"("tools":[])", "tools"},
      {R"("tools":3)", "tools"},
      {R"("tools":[3])", "tools[0].type"},
      {R"("tools":[{"type":"web_search"}])", "tools[0].type"},
      {R"("tools":[{"type":"function"}])", "tools[0].function.name"},
      {one(R"({"name":""})"), "tools[0].function.name"},
      {one(R"({"name":"a b"})"), "tools[0].function.name"},
      {one(R"({"name":"f","parameters":3})"), "tools[0].function.parameters"},
      {one(R"({"name":"f","description":3})"), "tools[0].function.description"},
      {R"("tools":[{"type":"function","function":{"name":"f"}},
          {"type":"function","function":{"name":"f"}}])",
       "tools"},
      {kTools + R"(,"tool_choice":"any")", "tool_choice"},
      {kTools + R"(,"tool_choice":3)", "tool_choice"},
      {kTools + R"(,"tool_choice":{"type":"function"})", "tool_choice"},
      {kTools + R"(,"tool_choice":{"type":"function","function":{"name":"h"}})", "tool_choice"},
      {R"("tool_choice":"required")", "tool_choice"},
      {kTools + R"(,"parallel_tool_calls":1)", "parallel_tool_calls"}};
  for (const auto& [members, param] : cases) {
    const auto result = read(members);
    ASSERT_FALSE(result) << members;
    EXPECT_EQ(result.error().param, param) << members;
  }
}

TEST(Tools, their_number_is_limited) {
  Json tools = Json::array();
  for (int i = 0; i < 129; ++i) {
    tools.push_back({{"type", "function"}, {"function", {{"name", "f" + std::to_string(i)}}}});
  }
  EXPECT_FALSE(check_tools(tools, "tools", {}));
  tools.erase(tools.begin());
  EXPECT_TRUE(check_tools(tools, "tools", {}));
}

}  // namespace
}  // namespace baton::server::api
