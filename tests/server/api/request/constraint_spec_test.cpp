#include "server/api/request/constraint_spec.h"

#include <gtest/gtest.h>

namespace baton::server::api {
namespace {

using Kind = ConstraintSpec::Kind;

TEST(ConstraintSpec, is_read_from_every_name_that_clients_have_for_it) {
  struct Case {
    const char* body;
    Kind kind;
    const char* param;
    const char* value;
  };
  const Case cases[] = {
      {R"({"response_format":{"type":"json_object"}})", Kind::json_object, "response_format",
       "null"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"a":1}}}})",
       Kind::json_schema, "response_format.json_schema.schema", R"({"a":1})"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"name":"n"}}})",
       Kind::json_object, "response_format", "null"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"schema":null}}})",
       Kind::json_object, "response_format", "null"},
      {R"({"guided_json":{"z":1,"a":2}})", Kind::json_schema, "guided_json", R"({"z":1,"a":2})"},
      {R"({"guided_json":"{\"a\":1}"})", Kind::json_schema, "guided_json", R"({"a":1})"},
      {R"({"guided_regex":"a+"})", Kind::regex, "guided_regex", R"("a+")"},
      {R"({"guided_choice":["a","b"]})", Kind::choice, "guided_choice", R"(["a","b"])"},
      {R"({"guided_grammar":"root ::= \"a\""})", Kind::grammar, "guided_grammar",
       R"("root ::= \"a\"")"},
      {R"({"regex":"a"})", Kind::regex, "regex", R"("a")"},
      {R"({"ebnf":"a"})", Kind::grammar, "ebnf", R"("a")"},
      {R"({"json_schema":{}})", Kind::json_schema, "json_schema", "{}"},
      {R"({"structured_outputs":{"json":{"a":1}}})", Kind::json_schema, "structured_outputs.json",
       R"({"a":1})"},
      {R"({"structured_outputs":{"choice":["a"]}})", Kind::choice, "structured_outputs.choice",
       R"(["a"])"},
      {R"({"structured_outputs":{"json_object":true}})", Kind::json_object,
       "structured_outputs.json_object", "null"}};
  for (const Case& each : cases) {
    const Json body = Json::parse(each.body);
    Fields fields(body);
    const auto spec = read_constraint(fields);
    ASSERT_TRUE(fields.ok()) << each.body << fields.result().error().message;
    ASSERT_TRUE(spec) << each.body;
    EXPECT_EQ(spec->kind, each.kind) << each.body;
    EXPECT_EQ(spec->param, each.param) << each.body;
    EXPECT_EQ(spec->value.dump(), each.value) << each.body;
  }
}

TEST(ConstraintSpec, nothing_asked_for_is_nothing) {
  for (const char* body : {"{}", R"({"response_format":{"type":"text"}})",
                           R"({"response_format":null})", R"({"structured_outputs":{}})"}) {
    const Json json = Json::parse(body);
    Fields fields(json);
    EXPECT_FALSE(read_constraint(fields)) << body;
    EXPECT_TRUE(fields.ok()) << body;
  }
}

TEST(ConstraintSpec, mistakes_name_their_place) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"response_format":"json"})", "response_format"},
      {R"({"response_format":{"type":"xml"}})", "response_format.type"},
      {R"({"response_format":{"type":"json_schema"}})", "response_format.json_schema"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"schema":3}}})",
       "response_format.json_schema.schema"},
      {R"({"guided_json":"no"})", "guided_json"},
      {R"({"guided_json":3})", "guided_json"},
      {R"({"guided_regex":3})", "guided_regex"},
      {R"({"guided_choice":[]})", "guided_choice"},
      {R"({"guided_choice":[3]})", "guided_choice"},
      {R"({"guided_json":{},"guided_regex":"a"})", "guided_regex"},
      {R"({"response_format":{"type":"json_object"},"structured_outputs":{"regex":"a"}})",
       "structured_outputs.regex"},
      {R"({"structured_outputs":3})", "structured_outputs"},
      {R"({"structured_outputs":{"structural_tag":{}}})", "structured_outputs.structural_tag"}};
  for (const auto& [body, param] : cases) {
    const Json json = Json::parse(body);
    Fields fields(json);
    read_constraint(fields);
    ASSERT_FALSE(fields.ok()) << body;
    EXPECT_EQ(fields.result().error().param, param) << body;
  }
}

TEST(ConstraintSpec, a_schema_in_text_is_as_bounded_as_a_body) {
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  const Json body = {{"guided_json", "{\"a\":" + deep + "}"}};
  Fields fields(body);
  read_constraint(fields);
  EXPECT_FALSE(fields.ok());
}

TEST(ConstraintSpec, a_body_that_may_ask_for_a_form_is_known_by_its_text) {
  for (const char* yes :
       {R"({"response_format":{"type":"json_object"}})", R"({"guided_regex":"a"})",
        R"({"text":{"format":{"type":"json_schema"}}})", R"({"structured_outputs":{"json":{}}})",
        R"({"response\u005fformat":{"type":"json_object"}})", R"({"ebnf":"x"})"})
    EXPECT_TRUE(may_name_form(yes)) << yes;
  EXPECT_FALSE(may_name_form(R"({"messages":[{"role":"user","content":"a regex\n"}]})"));
}

}  // namespace
}  // namespace baton::server::api
