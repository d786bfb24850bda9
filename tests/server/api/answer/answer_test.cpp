#include "server/api/answer/answer.h"

#include <gtest/gtest.h>

#include "tests/server/support/answers.h"

namespace baton::server::api {
namespace {

using Kind = OutputEvent::Kind;

TEST(Answer, names_are_long_and_calls_have_their_own) {
  const AnswerName name{1, 2, 3};
  EXPECT_EQ(name.id("x-"), "x-00000000000000010000000000000002");
  EXPECT_EQ(name.call_id(1, 2), "call_000000000000000200010002");
  EXPECT_EQ(name.call_id(1, 2).size(), 5 + 24u);
}

TEST(Answer, errors_are_told_in_the_dialect_of_the_request) {
  const ApiError error = bad_value("x", "No.");
  EXPECT_EQ(error_json(error, Dialect::chat), error_json(error));
  EXPECT_EQ(Json::parse(error_json(error, Dialect::messages))["type"], "error");
}

TEST(Answer, a_choice_forgets_a_call_that_was_none) {
  ChoiceText text;
  for (const OutputEvent& event : std::vector<OutputEvent>{{Kind::content, "a"},
                                                           {Kind::call, "f", 0},
                                                           {Kind::arguments, "{}", 0},
                                                           {Kind::call_end, "", 0},
                                                           {Kind::call, "g", 1},
                                                           {Kind::arguments, "{", 1},
                                                           {Kind::call_broken, "g{", 1, 0},
                                                           {Kind::content, "x"},
                                                           {Kind::reasoning, "r"}}) {
    text.add(event);
  }
  EXPECT_EQ(text.content, "ag{x");
  EXPECT_EQ(text.reasoning, "r");
  ASSERT_EQ(text.calls.size(), 1u);
  EXPECT_EQ(text.calls[0].arguments, "{}");
}

// Whatever the dialect: no split of the answer over messages changes what is said.
TEST(Answer, a_stream_does_not_depend_on_how_its_tokens_come) {
  const auto model = testing::FakeModel().make_special();
  const std::string text =
      "<think>so\n</think>\nwell<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\":1}"
      "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  const auto events = testing::special_events_of(model, text);
  const std::pair<Dialect, std::string> bodies[] = {
      {Dialect::chat,
       R"({"messages":[{"role":"user","content":"x"}],"stream":true,
           "tools":[{"type":"function","function":{"name":"f"}}]})"},
      {Dialect::responses,
       R"({"input":"x","stream":true,"tools":[{"type":"function","name":"f"}]})"},
      {Dialect::messages,
       R"({"messages":[{"role":"user","content":"x"}],"stream":true,"max_tokens":9,
           "tools":[{"name":"f","input_schema":{"type":"object"}}]})"}};
  for (const auto& [dialect, body] : bodies) {
    const std::string at_once = testing::answered(dialect, body, model, events);
    const auto prepared = testing::prepared_of(dialect, body, model);
    const auto answer = make_answer(prepared, model, testing::kAnswerName);
    std::string out;
    for (const auto& event : events) answer->tokens(0, std::span(&event, 1), out);
    answer->finish(0, "", out);
    EXPECT_EQ(out, at_once);
  }
}

}  // namespace
}  // namespace baton::server::api
