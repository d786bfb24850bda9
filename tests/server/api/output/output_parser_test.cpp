#include "server/api/output/output_parser.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

using Kind = OutputEvent::Kind;
using Model = testing::FakeModel;

class OutputParserTest : public ::testing::Test {
 protected:
  OutputParserTest() {
    model_.make_special();
    rules_.splits_reasoning = rules_.parses_calls = true;
    rules_.tools = {"f"};
  }
  std::vector<OutputEvent> parse(std::string_view text) {
    OutputParser parser(rules_, model_);
    std::vector<OutputEvent> all;
    for (const auto& event : testing::special_events_of(model_, text)) {
      std::vector<OutputEvent> events;
      parser.push(event.token, event.text, event.finish.has_value(), events);
      for (const auto& one : events) {
        const bool goes_on =
            one.kind == Kind::reasoning || one.kind == Kind::content || one.kind == Kind::arguments;
        if (goes_on) {
          append_event_text(all, one.kind, one.text, one.call);
        } else {
          all.push_back(one);
        }
      }
    }
    reasoning_tokens_ = parser.reasoning_tokens();
    called_ = parser.called();
    return all;
  }
  Model model_;
  OutputRules rules_;
  uint32_t reasoning_tokens_ = 0;
  bool called_ = false;
};

TEST_F(OutputParserTest, reasoning_that_the_prompt_has_opened_ends_at_its_marker) {
  rules_.begins_reasoning = true;
  const std::vector<OutputEvent> expected = {{Kind::reasoning, "so"}, {Kind::content, "yes"}};
  EXPECT_EQ(parse("so</think>yes"), expected);
  EXPECT_EQ(reasoning_tokens_, 2u);
}

TEST_F(OutputParserTest, a_model_may_open_reasoning_by_itself) {
  const std::vector<OutputEvent> expected = {{Kind::reasoning, "so"}, {Kind::content, "yes"}};
  EXPECT_EQ(parse("<think>so</think>yes"), expected);
}

TEST_F(OutputParserTest, newlines_around_reasoning_are_nobodys) {
  const std::vector<OutputEvent> expected = {{Kind::reasoning, "a\n\nb"}, {Kind::content, "c\n"}};
  EXPECT_EQ(parse("<think>\na\n\nb\n\n</think>\n\nc\n"), expected);
  EXPECT_EQ(reasoning_tokens_, 7u) << "though they are tokens";
}

TEST_F(OutputParserTest, reasoning_may_never_end_and_never_begin) {
  rules_.begins_reasoning = true;
  EXPECT_EQ(parse("so"), (std::vector<OutputEvent>{{Kind::reasoning, "so"}}));
  rules_.begins_reasoning = false;
  EXPECT_EQ(parse("</think>yes"), (std::vector<OutputEvent>{{Kind::content, "yes"}}));
  EXPECT_EQ(parse("yes"), (std::vector<OutputEvent>{{Kind::content, "yes"}}));
}

TEST_F(OutputParserTest, a_call_ends_reasoning_that_was_not_ended) {
  rules_.begins_reasoning = true;
  const std::vector<OutputEvent> expected = {
      {Kind::reasoning, "so"}, {Kind::call, "f"}, {Kind::arguments, "{}"}, {Kind::call_end, ""}};
  EXPECT_EQ(parse("so<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}"
                  "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
            expected);
  EXPECT_TRUE(called_);
}

TEST_F(OutputParserTest, a_call_that_the_prompt_has_begun_is_told_with_the_first_token) {
  rules_.call_begun = {Model::kCalls, Model::kCall, 'f', Model::kSep};
  const std::vector<OutputEvent> expected = {
      {Kind::call, "f"}, {Kind::arguments, R"({"a":1})"}, {Kind::call_end, ""}};
  EXPECT_EQ(parse(R"({"a":1}<｜tool▁call▁end｜>)"), expected);
}

TEST_F(OutputParserTest, markers_that_nobody_asked_for_are_no_markers) {
  rules_ = {};
  EXPECT_TRUE(parts_of(rules_, model_.facts().special, 5).markers.empty());
  OutputParser parser(rules_, model_);
  std::vector<OutputEvent> events;
  parser.push(Model::kThink, "<think>", false, events);
  parser.push(Model::kCalls, "<calls>", true, events);
  EXPECT_EQ(events, (std::vector<OutputEvent>{{Kind::content, "<think><calls>"}}));
}

TEST_F(OutputParserTest, text_that_was_held_back_belongs_to_what_came_before_the_marker) {
  rules_.begins_reasoning = true;
  OutputParser parser(rules_, model_);
  std::vector<OutputEvent> events;
  parser.push('a', "", false, events);
  parser.push(Model::kThought, "a", false, events);
  parser.push('b', "b", true, events);
  EXPECT_EQ(events, (std::vector<OutputEvent>{{Kind::reasoning, "a"}, {Kind::content, "b"}}));
}

TEST_F(OutputParserTest, decode_is_told_the_same_markers_in_order) {
  rules_.begins_reasoning = true;
  const PartParams parts = parts_of(rules_, model_.facts().special, 5);
  EXPECT_EQ(parts.first, Part::reasoning);
  EXPECT_EQ(parts.reasoning_max, 5u);
  EXPECT_TRUE(std::ranges::is_sorted(parts.markers, {}, &Marker::token));
  EXPECT_EQ(parts.markers.size(), 7u);
}

}  // namespace
}  // namespace baton::server::api
