#include "model/constraint/specification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

using ::testing::HasSubstr;
using testing::takes;

TEST(Specification, each_form_compiles) {
  EXPECT_TRUE(takes(Form::json_object, "", R"({"any": ["thing"]})"));
  EXPECT_FALSE(takes(Form::json_object, "", "[]"));
  EXPECT_TRUE(takes(Form::json_schema, R"({"type": "null"})", "null"));
  EXPECT_TRUE(takes(Form::regex, "a+", "aaa"));
  EXPECT_TRUE(takes(Form::grammar, "root ::= \"g\"", "g"));
  for (const char* yes : {"positive", "negative", "neg"})
    EXPECT_TRUE(takes(Form::choice, R"(["positive", "negative", "neg"])", yes));
  EXPECT_FALSE(takes(Form::choice, R"(["positive", "negative"])", "neg"));
}

TEST(Specification, refusals_begin_with_the_form) {
  EXPECT_THAT(testing::refusal(Form::choice, "[]"), HasSubstr("choice: a list of 1 to 1024"));
  EXPECT_THAT(testing::refusal(Form::choice, "[1]"), HasSubstr("choice: "));
  EXPECT_THAT(testing::refusal(Form::choice, "no"), HasSubstr("choice: "));
  EXPECT_THAT(testing::refusal(Form::regex, "("), HasSubstr("regex: "));
  EXPECT_THAT(testing::refusal(Form::grammar, "?"), HasSubstr("grammar: line 1"));
  EXPECT_THAT(testing::refusal(Form::json_schema, "{"), HasSubstr("json_schema: "));
  for (const Form form :
       {Form::json_object, Form::json_schema, Form::regex, Form::choice, Form::grammar})
    EXPECT_NE(to_string(form), "unknown");
}

// Prefill, gateway and decode each compile: what they get must be the same.
TEST(Specification, the_same_text_gives_the_same_automaton) {
  const char* schema = R"({"type": "object", "properties": {"a": {}, "b": {"enum": [1, 2]}}})";
  const auto one = compile(Form::json_schema, schema), two = compile(Form::json_schema, schema);
  ASSERT_TRUE(one && two);
  ASSERT_EQ(one->states(), two->states());
  for (size_t s = 0; s < one->states(); ++s) {
    for (int byte = 0; byte < 256; ++byte) {
      ASSERT_EQ(one->next(static_cast<State>(s), static_cast<uint8_t>(byte)),
                two->next(static_cast<State>(s), static_cast<uint8_t>(byte)));
    }
  }
}

}  // namespace
}  // namespace baton::constraint
