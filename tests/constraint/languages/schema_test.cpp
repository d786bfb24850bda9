#include "model/constraint/languages/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/constraint/schema_validator.h"
#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::SchemaValidator;

// OpenAI's own examples, and what SDKs make of common types.
const char* const kMathSteps = R"({
  "type": "object",
  "properties": {
    "steps": {"type": "array", "items": {
      "type": "object",
      "properties": {"explanation": {"type": "string"}, "output": {"type": "string"}},
      "required": ["explanation", "output"], "additionalProperties": false}},
    "final_answer": {"type": "string"}
  },
  "required": ["steps", "final_answer"], "additionalProperties": false})";
const char* const kUserInterface = R"({
  "type": "object",
  "properties": {
    "type": {"type": "string", "enum": ["div", "button", "header", "section", "field", "form"]},
    "label": {"type": "string"},
    "children": {"type": "array", "items": {"$ref": "#"}},
    "attributes": {"type": "array", "items": {"$ref": "#/$defs/attribute"}}
  },
  "required": ["type", "label", "children", "attributes"],
  "additionalProperties": false,
  "$defs": {"attribute": {"type": "object",
    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    "required": ["name", "value"], "additionalProperties": false}}})";
const char* const kLinkedList = R"({
  "type": "object",
  "properties": {"linked_list": {"$ref": "#/$defs/node"}},
  "$defs": {"node": {"type": "object",
    "properties": {"value": {"type": "number"},
                   "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["value", "next"], "additionalProperties": false}},
  "required": ["linked_list"], "additionalProperties": false})";

const char* const kSchemas[] = {
    kMathSteps,
    kUserInterface,
    kLinkedList,
    R"({})",
    R"(true)",
    R"({"type": "object"})",
    R"({"type": ["string", "null"], "description": "d", "title": "t", "default": null})",
    R"({"enum": ["a", "b", 3, null, {"x": [1, 2]}, "\u00e9\"\\"]})",
    R"({"const": {"deep": ["x"]}})",
    R"({"type": "integer", "minimum": -3, "exclusiveMaximum": 120})",
    R"({"type": "number", "minimum": 0, "maximum": 10})",
    R"({"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"})",
    R"({"type": "string", "pattern": "b+a"})",
    R"({"type": "string", "minLength": 2, "maxLength": 5})",
    R"({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3})",
    R"({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false,
        "minItems": 2})",
    R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
        "required": ["b"], "additionalProperties": {"type": "boolean"}})",
    R"({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "null"}}})",
    R"({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "array", "items": {}}]})",
    R"({"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"],
        "oneOf": [{"properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}},
                  {"properties": {"kind": {"const": "b"}, "y": {"type": "null"}},
                   "required": ["y"]}]})",
    R"({"allOf": [{"$ref": "#/definitions/base"}, {"properties": {"more": {"type": "boolean"}},
        "required": ["more"]}],
        "definitions": {"base": {"type": "object", "properties": {"id": {"type": "integer"}}}}})",
    R"({"properties": {"a": {"type": "null"}}})",
    R"({"type": "object", "properties": {"a": {}}, "required": ["a", "free"]})",
    R"({"minimum": 5})",
};

TEST(Schema, whatever_is_drawn_is_valid) {
  const testing::Vocabulary vocabulary(testing::pieces());
  std::mt19937 chance(7);
  for (const char* text : kSchemas) {
    const auto automaton = compile(Form::json_schema, text);
    ASSERT_TRUE(automaton) << text << ": " << automaton.error().message;
    Masks masks(*automaton, vocabulary.trie);
    const SchemaValidator validator(testing::Json::parse(text));
    size_t whole = 0;
    for (int round = 0; round < 40; ++round) {
      const std::string said = testing::draw(*automaton, masks, vocabulary, chance, 300);
      if (said.empty()) continue;  // it ran out of tokens
      ++whole;
      ASSERT_TRUE(validator.valid_text(said)) << text << "\n gave " << said;
    }
    EXPECT_GT(whole, 10u) << text;
  }
}

TEST(Schema, takes_what_models_write) {
  const auto takes = [](const char* schema, const char* text) {
    EXPECT_TRUE(SchemaValidator(testing::Json::parse(schema)).valid_text(text)) << text;
    return testing::takes(Form::json_schema, schema, text);
  };
  EXPECT_TRUE(
      takes(kMathSteps, R"({"steps":[{"explanation":"Add.","output":"8"}],"final_answer":"8"})"));
  EXPECT_TRUE(takes(kMathSteps,
                    "{\n  \"steps\": [\n    {\n      \"explanation\": \"Add.\",\n"
                    "      \"output\": \"8\"\n    }\n  ],\n  \"final_answer\": \"8\"\n}"));
  EXPECT_TRUE(takes(kUserInterface,
                    R"({"type": "div", "label": "", "children": [{"type": "button", "label": "Go",)"
                    R"( "children": [], "attributes": [{"name": "id", "value": "go"}]}],)"
                    R"( "attributes": []})"));
  EXPECT_TRUE(
      takes(kLinkedList, R"({"linked_list":{"value":1,"next":{"value":2.5,"next":null}}})"));
}

TEST(Schema, takes_nothing_that_is_not_valid) {
  const auto takes = [](const char* schema, const char* text) {
    return testing::takes(Form::json_schema, schema, text);
  };
  EXPECT_FALSE(takes(kMathSteps, R"({"steps":[]})"));
  EXPECT_FALSE(takes(kMathSteps, R"({"final_answer":"8","steps":[]})")) << "in another order";
  EXPECT_FALSE(takes(kMathSteps, R"({"steps":[],"final_answer":8})"));
  EXPECT_FALSE(takes(kMathSteps, R"({"steps":[],"final_answer":"8","more":1})"));
  EXPECT_FALSE(
      takes(kUserInterface, R"({"type":"span","label":"","children":[],"attributes":[]})"));
  EXPECT_FALSE(takes(R"({"type": "integer", "minimum": 3})", "2"));
  EXPECT_FALSE(takes(R"({"type": "string", "format": "date"})", "\"2023-02-30\""));
  EXPECT_TRUE(takes(R"({"type": "string", "format": "date"})", "\"2023-02-27\""));
  EXPECT_TRUE(takes(R"({"type": "string", "nullable": true})", "null"));
}

TEST(Schema, a_keyword_that_can_not_be_kept_is_named_with_its_place) {
  for (const char* keyword : {"not",
                              "if",
                              "then",
                              "else",
                              "patternProperties",
                              "propertyNames",
                              "minProperties",
                              "maxProperties",
                              "dependentRequired",
                              "dependentSchemas",
                              "dependencies",
                              "contains",
                              "minContains",
                              "maxContains",
                              "multipleOf",
                              "unevaluatedProperties",
                              "unevaluatedItems",
                              "additionalItems",
                              "$dynamicRef",
                              "$recursiveRef",
                              "uniqueItems"}) {
    const std::string schema =
        std::string(R"({"properties": {"deep": {"items": {")") + keyword + R"(": {}}}}})";
    EXPECT_EQ(testing::refusal(Form::json_schema, schema),
              std::string("json_schema: the keyword '") + keyword +
                  "' is not supported, at #/properties/deep/items");
  }
  EXPECT_EQ(testing::refusal(Form::json_schema, R"({"uniqueItems": false})"), "");
}

TEST(Schema, a_keyword_with_a_wrong_value_is_named) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"type": "text"})", "'type'"},
      {R"({"type": "number", "minimum": 0.5})", "'minimum'"},
      {R"({"type": "number", "maximum": 1e30})", "'maximum'"},
      {R"({"type": "number", "minimum": "1"})", "'minimum'"},
      {R"({"minLength": -1})", "'minLength'"},
      {R"({"maxLength": 100000})", "'maxLength'"},
      {R"({"minLength": 5, "maxLength": 4})", "'maxLength'"},
      {R"({"minItems": 1.5})", "'minItems'"},
      {R"({"minItems": 2, "maxItems": 1})", "'maxItems'"},
      {R"({"prefixItems": [{}], "items": false, "minItems": 2})", "'minItems'"},
      {R"({"items": [{}, {}]})", "'items'"},
      {R"g({"pattern": "(?=a)"})g", "'pattern'"},
      {R"({"pattern": "a", "minLength": 2})", "'pattern'"},
      {R"({"pattern": 3})", "'pattern'"},
      {R"({"format": "color"})", "'format'"},
      {R"({"$ref": "https://example.com/x"})", "'$ref'"},
      {R"({"$ref": 7})", "'$ref'"},
      {R"({"enum": []})", "'enum'"},
      {R"({"enum": [1], "type": "string"})", "'enum'"},
      {R"({"const": 1, "enum": [2]})", "'enum'"},
      {R"({"anyOf": []})", "'anyOf'"},
      {R"({"allOf": [{"pattern": "a"}, {"pattern": "b"}]})", "'pattern'"},
      {R"({"properties": []})", "'properties'"},
      {R"({"required": "a"})", "'required'"},
      {R"({"required": ["a"], "additionalProperties": false})", "'required'"},
  };
  for (const auto& [schema, keyword] : cases) {
    EXPECT_THAT(testing::refusal(Form::json_schema, schema),
                AllOf(HasSubstr("json_schema: the keyword "), HasSubstr(keyword)))
        << schema;
  }
}

// A part that is used twice inside of itself would double with each level.
TEST(Schema, nesting_costs_no_more_than_its_depth) {
  std::string nested = R"({"type": "string"})";
  for (int i = 0; i < 14; ++i) nested = R"({"type": "array", "items": )" + nested + "}";
  const auto automaton = compile(Form::json_schema, nested);
  ASSERT_TRUE(automaton) << automaton.error().message;
  EXPECT_LT(automaton->states(), 500u);
  std::string bounded = R"({"type": "string"})";
  for (int i = 0; i < 14; ++i)
    bounded = R"({"type": "array", "minItems": 2, "maxItems": 9, "items": )" + bounded + "}";
  const auto counted = compile(Form::json_schema, bounded);
  ASSERT_TRUE(counted) << counted.error().message;
  EXPECT_LT(counted->states(), 2000u);
}

TEST(Schema, limits_are_kept) {
  const auto refusal = [](const std::string& schema) {
    return testing::refusal(Form::json_schema, schema);
  };
  std::string deep = "{}";
  for (int i = 0; i < 20; ++i) deep = R"({"items": )" + deep + "}";
  EXPECT_THAT(refusal(deep), HasSubstr("nested deeper than 16"));
  std::string wide = R"({"anyOf": [{}])";
  for (int i = 0; i < 600; ++i) wide.insert(wide.size() - 1, ", {}");
  EXPECT_THAT(refusal(wide + "}"), HasSubstr("more than 512 schemas"));
  EXPECT_THAT(refusal(R"({"description": ")" + std::string(70'000, 'x') + "\"}"),
              HasSubstr("65536 bytes"));
  EXPECT_THAT(refusal(R"({"type": "object", "type": "array"})"), HasSubstr("twice"));
  EXPECT_THAT(refusal("{"), HasSubstr("json_schema: "));
  EXPECT_THAT(refusal("3"), HasSubstr("must be an object"));
  EXPECT_THAT(refusal(R"({"$ref": "#"})"), HasSubstr("no text at all"));
  EXPECT_THAT(refusal(R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})"),
              HasSubstr("\"#\" calls itself"));
  EXPECT_THAT(
      refusal(R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})"),
      HasSubstr("no text at all"));
  EXPECT_THAT(refusal("false"), HasSubstr("no text at all"));
}

}  // namespace
}  // namespace baton::constraint
