#include "server/api/prompt/forced_call.h"

#include <gtest/gtest.h>

#include "model/constraint/markers.h"
#include "model/constraint/matcher.h"
#include "model/constraint/specification.h"
#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

// `f` takes a number, `g` anything.
const char* const kTools = R"([
  {"type":"function","function":{"name":"f","parameters":
    {"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}},
  {"type":"function","function":{"name":"g\"g"}}])";

class ForcedCallTest : public ::testing::TestWithParam<text::ToolStyle> {
 protected:
  ForcedCallTest() {
    model_.make_special().edit().tool_style = GetParam();
    request_.tools = Json::parse(kTools);
    request_.tool_choice.kind = ToolChoice::Kind::required;
  }
  ForcedCall made() const {
    auto call = forced_call(request_, model_.facts());
    EXPECT_TRUE(call) << call.error().message;
    return *std::move(call);
  }
  // The text as decode would give it to the form: markers are tokens.
  static std::string with_markers(std::string text) {
    for (const std::string_view name :
         {"calls▁begin", "calls▁end", "call▁begin", "call▁end", "sep"}) {
      const std::string spelled = fmt::format("<｜tool▁{}｜>", name);
      for (size_t at = text.find(spelled); at != text.npos; at = text.find(spelled))
        text.replace(at, spelled.size(), constraint::marker_byte(spelled));
    }
    return text;
  }
  static bool takes(const std::string& grammar, const std::string& text) {
    const auto automaton = constraint::compile(ConstraintParams::Form::grammar, grammar);
    EXPECT_TRUE(automaton) << grammar << automaton.error().message;
    constraint::Matcher matcher(*automaton);
    return matcher.advance(with_markers(text)) && matcher.can_end();
  }
  // As the style's own renderer writes them, whole.
  static std::string calls(const std::vector<Json>& list) {
    return text::render_calls(GetParam(), Json(list))->text();
  }
  static Json call(const char* name, const char* arguments) {
    return {{"function", {{"name", name}, {"arguments", arguments}}}};
  }
  bool behind_head(const std::string& whole) const {
    const ForcedCall call = made();
    const std::string head = call.head.text();
    EXPECT_TRUE(whole.starts_with(head)) << whole << " and " << head;
    const bool takes_it = takes(call.whole, whole);
    EXPECT_EQ(takes(call.behind_head, whole.substr(head.size())), takes_it);
    return takes_it;
  }

  testing::FakeModel model_;
  GenerateRequest request_;
};

TEST_P(ForcedCallTest, what_templates_write_of_calls_is_allowed_and_nothing_else) {
  EXPECT_TRUE(behind_head(calls({call("f", R"({"a": 12})")})));
  EXPECT_TRUE(behind_head(calls({call("g\"g", R"({"b":[{}]})")})));
  EXPECT_TRUE(
      behind_head(calls({call("g\"g", "{}"), call("f", R"({"a":1})"), call("g\"g", "{}")})));
  EXPECT_FALSE(behind_head(calls({call("f", R"({"a": "x"})")}))) << "by its schema";
  EXPECT_FALSE(behind_head(calls({call("f", "{}")})));
  EXPECT_FALSE(behind_head(calls({call("h", "{}")}))) << "by its name";
  EXPECT_FALSE(behind_head(calls({call("g\"g", "[]")}))) << "an object";
  const std::string whole = calls({call("g\"g", "{}")});
  EXPECT_FALSE(behind_head(whole + "more"));
  EXPECT_FALSE(behind_head(whole.substr(0, whole.rfind("<｜tool▁calls")))) << "all calls end";
}

TEST_P(ForcedCallTest, where_one_may_come_its_end_is_the_end) {
  request_.parallel_tool_calls = false;
  const auto cut = [](std::string text) { return text.substr(0, text.rfind("<｜tool▁calls")); };
  EXPECT_TRUE(behind_head(cut(calls({call("f", R"({"a": 12})")}))));
  EXPECT_FALSE(behind_head(calls({call("f", R"({"a": 12})")})));
  EXPECT_FALSE(behind_head(cut(calls({call("g\"g", "{}"), call("g\"g", "{}")}))));
}

TEST_P(ForcedCallTest, who_is_named_is_called_once) {
  request_.tool_choice = {ToolChoice::Kind::named, "f"};
  const ForcedCall forced = made();
  const std::string whole = calls({call("f", R"({"a":1})")});
  EXPECT_TRUE(forced.head.text().find('f') != std::string::npos);
  EXPECT_TRUE(behind_head(whole.substr(0, whole.rfind("<｜tool▁calls"))));
  EXPECT_FALSE(behind_head(whole));
}

TEST_P(ForcedCallTest, the_only_tool_is_named_in_the_head_and_may_be_called_again) {
  request_.tools.erase(1);
  EXPECT_TRUE(behind_head(calls({call("f", R"({"a":1})")})));
  EXPECT_TRUE(behind_head(calls({call("f", R"({"a":1})"), call("f", R"({"a":2})")})));
}

TEST_P(ForcedCallTest, a_schema_that_cannot_be_kept_to_gives_way_unless_it_is_strict) {
  Json& function = request_.tools[0]["function"];
  function["parameters"]["not"] = Json::object();
  EXPECT_TRUE(behind_head(calls({call("f", R"({"x": null})")})));
  function["strict"] = true;
  const auto refused = forced_call(request_, model_.facts());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "tools[0].function.parameters");
  EXPECT_EQ(refused.error().status, 400);
}

TEST_P(ForcedCallTest, a_schema_of_properties_is_an_objects) {
  request_.tools[0]["function"]["parameters"].erase("type");
  EXPECT_TRUE(behind_head(calls({call("f", R"({"a":1})")})));
  EXPECT_FALSE(behind_head(calls({call("f", R"({"b":1})")})));
}

TEST_P(ForcedCallTest, many_tools_whose_schemas_are_too_much_together_keep_their_names) {
  request_.tools = Json::array();
  Json schema = {{"type", "object"}, {"properties", Json::object()}};
  for (int i = 0; i < 60; ++i) {
    schema["properties"]["a" + std::to_string(i)] = {
        {"type", "string"}, {"description", std::string(100, 'x')}, {"maxLength", 900 + i}};
  }
  for (int i = 0; i < 40; ++i) {
    request_.tools.push_back(
        {{"type", "function"},
         {"function", {{"name", "tool_" + std::to_string(i)}, {"parameters", schema}}}});
  }
  EXPECT_TRUE(behind_head(calls({call("tool_37", R"({"any":{}})")})));
  EXPECT_FALSE(behind_head(calls({call("tool_40", "{}")})));
}

INSTANTIATE_TEST_SUITE_P(Styles, ForcedCallTest,
                         ::testing::Values(text::ToolStyle::v3, text::ToolStyle::v31));

}  // namespace
}  // namespace baton::server::api
