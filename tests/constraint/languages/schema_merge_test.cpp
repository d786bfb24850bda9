#include "model/constraint/languages/schema_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::constraint {
namespace {

using ::testing::HasSubstr;

const Json kRoot = Json::parse(R"({
  "$defs": {"a": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
            "loop": {"$ref": "#/$defs/loop"}, "a/b~c": {"const": 7}},
  "anyOf": [{"const": 1}, {"const": 2}]
})");

std::string flat(const char* schema) {
  MergeBudget budget;
  const auto result = flatten_schema(kRoot, Json::parse(schema), budget);
  return result ? result->dump() : result.error().message;
}

TEST(SchemaMerge, references_are_found) {
  EXPECT_EQ(find_reference(kRoot, "#"), &kRoot);
  EXPECT_EQ(*find_reference(kRoot, "#/anyOf/1"), Json::parse(R"({"const": 2})"));
  EXPECT_EQ(*find_reference(kRoot, "#/$defs/a~1b~0c"), Json::parse(R"({"const": 7})"));
  EXPECT_EQ(*find_reference(kRoot, "#/%24defs/a%7E1b~0c"), Json::parse(R"({"const": 7})"));
  for (const char* nothing : {"", "#a", "#/$defs/b", "#/anyOf/2", "#/anyOf/x", "#/anyOf/1/const/x",
                              "http://example.com/schema", "#/anyOf/99999999999"})
    EXPECT_EQ(find_reference(kRoot, nothing), nullptr) << nothing;
}

TEST(SchemaMerge, both_parts_are_kept) {
  EXPECT_EQ(flat(R"({"allOf": [{"$ref": "#/$defs/a"}, {"properties": {"y": {"type": "null"}},
                     "required": ["y", "x"]}]})"),
            R"({"properties":{"x":{"type":"number"},"y":{"type":"null"}},)"
            R"("required":["x","y"],"type":"object"})");
  EXPECT_EQ(flat(R"({"$ref": "#/$defs/a", "description": "d"})").substr(0, 18),
            R"({"description":"d")");
  EXPECT_EQ(flat(R"({"allOf": [{"minimum": 1, "maximum": 9}, {"minimum": 3, "maximum": 10}]})"),
            R"({"minimum":3,"maximum":9})");
  EXPECT_EQ(flat(R"({"allOf": [{"type": ["integer", "string"]}, {"type": "number"}]})"),
            R"({"type":["integer"]})");
  EXPECT_EQ(flat(R"({"allOf": [{"enum": [1, 2, 3]}, {"enum": [3, 2]}]})"), R"({"enum":[2,3]})");
  EXPECT_EQ(flat(R"({"allOf": [{"properties": {"x": {"minimum": 1}}},
                               {"properties": {"x": {"maximum": 2}}}]})"),
            R"({"properties":{"x":{"allOf":[{"minimum":1},{"maximum":2}]}}})");
  EXPECT_EQ(flat(R"({"allOf": [{"properties": {"x": {}}, "additionalProperties": false},
                               {"properties": {"y": {}}}]})"),
            R"({"properties":{"x":{},"y":false},"additionalProperties":false})");
  EXPECT_EQ(flat(R"({"allOf": [true, {"type": "null"}]})"), R"({"type":"null"})");
  EXPECT_EQ(flat(R"({"allOf": [false, {"type": "null"}]})"), "false");
}

TEST(SchemaMerge, what_can_not_be_joined_is_named) {
  EXPECT_THAT(flat(R"({"allOf": [{"pattern": "a"}, {"pattern": "b"}]})"), HasSubstr("'pattern'"));
  EXPECT_THAT(flat(R"({"allOf": [{"type": "null"}, {"type": "string"}]})"), HasSubstr("'type'"));
  EXPECT_THAT(flat(R"({"allOf": [{"enum": [1]}, {"enum": [2]}]})"), HasSubstr("'enum'"));
  EXPECT_THAT(flat(R"({"allOf": []})"), HasSubstr("'allOf'"));
  EXPECT_THAT(flat(R"({"$ref": "#/$defs/loop"})"), HasSubstr("circle"));
  EXPECT_THAT(flat(R"({"$ref": "#/nothing"})"), HasSubstr("names nothing"));
}

TEST(SchemaMerge, a_small_schema_can_not_ask_for_a_lot) {
  Json root = Json::parse(R"({"$defs": {"last": {"type": "null"}}})");
  std::string next = "last";
  for (int level = 0; level < 12; ++level) {
    const Json part = {{"$ref", "#/$defs/" + next}};
    next = "level" + std::to_string(level);
    root["$defs"][next] = {{"allOf", Json::array({part, part, part, part})}};
  }
  MergeBudget budget;
  const auto result = flatten_schema(root, {{"$ref", "#/$defs/" + next}}, budget);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("too many parts"));
}

TEST(SchemaMerge, types) {
  EXPECT_EQ(types_of(Json::parse(R"({"type": ["string", "null"]})"))->size(), 2u);
  EXPECT_EQ(types_of(Json::parse("{}"))->size(), 6u);
  EXPECT_THAT(types_of(Json::parse(R"({"type": "text"})")).error().message, HasSubstr("\"text\""));
  EXPECT_FALSE(types_of(Json::parse(R"({"type": 3})")));
}

}  // namespace
}  // namespace baton::constraint
