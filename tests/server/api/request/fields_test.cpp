#include "server/api/request/fields.h"

#include <gtest/gtest.h>

namespace baton::server::api {
namespace {

TEST(Fields, absent_and_null_leave_the_variable_as_it_was) {
  const Json object = {{"b", nullptr}};
  Fields fields(object);
  float number = 3;
  uint32_t integer = 4;
  bool flag = true;
  std::string text = "t";
  for (const char* name : {"a", "b"}) {
    fields.number(name, number, {0, 1});
    fields.integer(name, integer, 0, 1);
    fields.boolean(name, flag);
    fields.text(name, text, 1);
    fields.refuse(name, "no.");
  }
  EXPECT_TRUE(fields.ok());
  EXPECT_EQ(number, 3);
  EXPECT_EQ(integer, 4u);
  EXPECT_TRUE(flag);
  EXPECT_EQ(text, "t");
}

TEST(Fields, what_nobody_has_asked_for_is_unknown) {
  const Json object =
      Json::parse(R"({"a":1,"x":{"b":2,"c":3},"n":null,"u":null,"later":1,"ignored":[]})");
  Fields fields(object);
  uint32_t number = 0;
  fields.integer("a", number, 0, 9);
  fields.integer("absent", number, 0, 9);
  fields.ignore({"ignored", "n"});
  fields.hide({"later"});
  fields.integer("later", number, 5, 9);
  fields.show();
  EXPECT_TRUE(fields.ok()) << "it was hidden";
  Fields inner(*fields.get("x"), "x.");
  inner.integer("b", number, 0, 9);
  fields.add(inner);
  EXPECT_EQ(fields.unknown(), (std::vector<std::string>{"u", "later", "x.c"}));
  fields.integer("later", number, 5, 9);
  EXPECT_FALSE(fields.ok());
  EXPECT_EQ(fields.unknown(), (std::vector<std::string>{"u", "x.c"}));
}

TEST(Fields, the_mistake_of_a_member_is_the_whole_ones) {
  const Json object = Json::parse(R"({"x":{"b":"text"}})");
  Fields fields(object);
  Fields inner(*fields.get("x"), "x.");
  bool flag = false;
  inner.boolean("b", flag);
  fields.add(inner);
  EXPECT_EQ(fields.result().error().param, "x.b");
}

TEST(Fields, the_first_mistake_is_kept_and_names_its_field) {
  const Json object = {{"a", "x"}, {"b", "y"}};
  Fields fields(object, "outer.");
  float number = 0;
  fields.number("a", number, {});
  fields.number("b", number, {});
  EXPECT_EQ(fields.result().error().param, "outer.a");
  EXPECT_EQ(fields.result().error().status, 400);
}

TEST(Fields, an_integer_may_be_written_as_a_whole_float_but_not_as_anything_else) {
  EXPECT_EQ(as_integer(Json(3), 0, 10), 3);
  EXPECT_EQ(as_integer(Json(3.0), 0, 10), 3);
  EXPECT_EQ(as_integer(Json(-3), -5, 10), -3);
  for (const Json& bad : {Json(3.5), Json(11), Json(-1), Json(true), Json("3"), Json(),
                          Json::array(), Json(1e300), Json(18446744073709551615u), Json(-1e300)}) {
    EXPECT_EQ(as_integer(bad, 0, 10), std::nullopt) << bad;
  }
}

TEST(Fields, an_open_bound_is_out) {
  const Json object = {{"a", 0}};
  float number = 1;
  Fields closed(object);
  closed.number("a", number, {0, 1});
  EXPECT_TRUE(closed.ok());
  Fields open(object);
  open.number("a", number, {0, 1, true});
  EXPECT_FALSE(open.ok());
}

TEST(Fields, a_text_is_limited) {
  const Json object = {{"a", "four"}};
  std::string text;
  Fields fields(object);
  fields.text("a", text, 4);
  EXPECT_EQ(text, "four");
  fields.text("a", text, 3);
  EXPECT_FALSE(fields.ok());
}

TEST(Fields, lists_of_tokens_are_of_the_vocabulary_and_bounded) {
  const Json object = {{"a", {1, 9.0}}, {"b", {10}}, {"c", {1, 2, 3}}, {"d", "x"}, {"e", {"1"}}};
  std::vector<TokenId> ids;
  Fields good(object);
  good.tokens("a", ids, 2, 10);
  EXPECT_TRUE(good.ok());
  EXPECT_EQ(ids, (std::vector<TokenId>{1, 9}));
  for (const char* name : {"b", "c", "d", "e"}) {
    Fields bad(object);
    bad.tokens(name, ids, 2, 10);
    EXPECT_EQ(bad.result().error().param, name);
  }
}

}  // namespace
}  // namespace baton::server::api
