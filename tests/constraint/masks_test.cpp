#include "model/constraint/masks.h"

#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

struct Case {
  Form form;
  const char* text;
};

const Case kCases[] = {
    {Form::json_object, ""},
    {Form::json_schema, R"({"type": "object", "properties": {"name": {"type": "string"},
        "answer": {"type": "integer"}, "steps": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name"]})"},
    {Form::json_schema, R"({"type": "array", "items": {"type": "string", "maxLength": 7}})"},
    {Form::json_schema, R"({"anyOf": [{"type": "object", "properties": {"a": {"const": 1}}},
        {"type": "object", "properties": {"a": {"type": "number"}, "ab": {}}}]})"},
    {Form::json_schema, R"({"type": "object", "additionalProperties": {"type": "integer"},
        "properties": {"ab": {}, "abc": {}}})"},
    {Form::regex, "(a|ab|abc)*x?[^a-c]{0,4}"},
    {Form::regex, ".*yes.*"},
    {Form::json_schema, R"({"type": "string", "minLength": 3, "maxLength": 40})"},
    {Form::regex, "[a-z]{3,30}[0-9.]?"},
    {Form::regex, "(\\d{2}: [^\n]{1,25}\\.)*"},
    {Form::regex, "([a-c]{1,20}|[a-z]x){2}"},
    {Form::regex, "\\d: [^\n]{1,40}\\."},
    {Form::regex, "[a-z .]{1,40}\\.( |ab)?"},
    {Form::regex, "([a-z]|ab|[\u4E00-\u9FFF]){1,30}(no|n)"},
    {Form::regex, "([a-z ]|\u00e9|[\u4E00-\u9FFF]{2}){5,25}"},
    {Form::choice, R"(["yes", "no", "name", "answer", "a", "ab"])"},
    {Form::grammar, R"g(root ::= "a" root "b" | "a" root "c" | "x"+ | "")g"},
    {Form::grammar, R"g(root ::= word (" " word)* "."
                        word ::= [a-z]+ | "(" root ")")g"},
    {Form::grammar, R"(root ::= "a" root "b"? | "x")"},
};

// At every step of many answers, each token is tried by itself.
TEST(Masks, are_what_trying_every_token_gives) {
  const testing::Vocabulary vocabulary(testing::pieces());
  std::mt19937 chance(3);
  for (const Case& each : kCases) {
    const auto automaton = compile(each.form, each.text);
    ASSERT_TRUE(automaton) << each.text << automaton.error().message;
    Masks masks(*automaton, vocabulary.trie);
    for (int round = 0; round < 3; ++round)
      testing::draw(*automaton, masks, vocabulary, chance, 25, true);
  }
}

TEST(Masks, a_token_without_bytes_is_never_in_one) {
  const testing::Vocabulary vocabulary({"a", "", "b", ""});
  const auto automaton = compile(Form::regex, ".*");
  ASSERT_TRUE(automaton);
  Masks masks(*automaton, vocabulary.trie);
  std::vector<uint64_t> mask(masks.words(), ~uint64_t{0});
  masks.fill(Matcher(*automaton), mask);
  EXPECT_EQ(mask, std::vector<uint64_t>{0b101});
}

TEST(Masks, nothing_may_follow_an_answer_that_is_whole) {
  const testing::Vocabulary vocabulary(testing::pieces());
  const auto automaton = compile(Form::choice, R"(["yes"])");
  ASSERT_TRUE(automaton);
  Masks masks(*automaton, vocabulary.trie);
  Matcher matcher(*automaton);
  ASSERT_TRUE(matcher.advance("yes"));
  std::vector<uint64_t> mask(masks.words());
  masks.fill(matcher, mask);
  EXPECT_EQ(mask, std::vector<uint64_t>(masks.words()));
}

TEST(Masks, what_is_known_is_not_worked_out_again) {
  const testing::Vocabulary vocabulary(testing::pieces());
  const auto automaton = compile(Form::json_object, "");
  ASSERT_TRUE(automaton);
  Masks masks(*automaton, vocabulary.trie);
  std::vector<uint64_t> mask(masks.words());
  const auto say = [&](const std::string& text) {
    Matcher matcher(*automaton);
    for (const char c : text) {
      masks.fill(matcher, mask);
      ASSERT_TRUE(matcher.advance({&c, 1}));
    }
  };
  say(R"({"a":"xy","b":[1,2]})");
  const MaskCounts once = masks.counts();
  say(R"({"c":"zzzzzzzzzzzzz","d":[3,4]})");
  EXPECT_EQ(masks.counts().states_walked, once.states_walked);
  EXPECT_EQ(masks.counts().frames_walked, once.frames_walked);
  EXPECT_GT(masks.counts().asked, once.asked);
  EXPECT_EQ(masks.counts().dropped, 0u);
}

TEST(Masks, memory_is_bounded_and_nothing_is_lost_with_it) {
  const testing::Vocabulary vocabulary(testing::pieces());
  const auto automaton = compile(Form::json_object, "");
  ASSERT_TRUE(automaton);
  Masks small(*automaton, vocabulary.trie, 2000), large(*automaton, vocabulary.trie);
  std::vector<uint64_t> a(small.words()), b(small.words());
  Matcher matcher(*automaton);
  for (const char c : std::string(R"({"a": [1, {"b": "x"}, [[]]], "c": {"d": {"e": null}}})")) {
    small.fill(matcher, a);
    large.fill(matcher, b);
    ASSERT_EQ(a, b);
    ASSERT_TRUE(matcher.advance({&c, 1}));
  }
  EXPECT_GT(small.counts().dropped, 0u);
}

}  // namespace
}  // namespace baton::constraint
