#include "model/constraint/matcher.h"

#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

// One reading's name doesn't depend on how its matcher came there.
std::vector<Digest> names(const Matcher& matcher) {
  std::vector<Digest> all;
  for (const Reading& r : matcher.readings()) all.push_back(matcher.frames().name(r));
  std::sort(all.begin(), all.end());
  return all;
}

TEST(Matcher, knows_when_it_may_end_and_when_it_must) {
  const auto automaton = compile(Form::regex, "ab?");
  ASSERT_TRUE(automaton);
  Matcher matcher(*automaton);
  EXPECT_TRUE(matcher.at_start());
  EXPECT_FALSE(matcher.can_end());
  EXPECT_TRUE(matcher.can_go_on());
  EXPECT_TRUE(matcher.advance("a"));
  EXPECT_TRUE(matcher.can_end() && matcher.can_go_on());
  EXPECT_TRUE(matcher.advance("b"));
  EXPECT_TRUE(matcher.can_end());
  EXPECT_FALSE(matcher.can_go_on());
  EXPECT_FALSE(matcher.advance("b"));
  EXPECT_FALSE(matcher.can_end() || matcher.can_go_on());
}

TEST(Matcher, an_empty_answer_may_be_one) {
  const auto automaton = compile(Form::regex, "a*");
  ASSERT_TRUE(automaton);
  EXPECT_TRUE(Matcher(*automaton).can_end());
}

// A draft that is not accepted leaves no trace; a replay in other pieces comes to the same.
TEST(Matcher, copies_and_replays_come_to_the_same) {
  const auto automaton = compile(Form::json_object, "");
  ASSERT_TRUE(automaton);
  const std::string text = R"({"a": [1, {"b": "x\u00e9"}, [[]]], "c": {"d": {"e": null}}})";
  Matcher whole(*automaton);
  for (size_t i = 0; i < text.size(); ++i) {
    Matcher draft = whole;
    draft.advance(text.substr(i, 3));
    draft.advance("]]]]");
    ASSERT_TRUE(whole.advance(text.substr(i, 1)));
    Matcher replay(*automaton);
    ASSERT_TRUE(replay.advance(text.substr(0, i + 1)));
    EXPECT_EQ(names(whole), names(replay)) << text.substr(0, i + 1);
    EXPECT_EQ(whole.can_end(), i + 1 == text.size());
  }
}

TEST(Matcher, deep_nesting_keeps_its_frames_and_no_others) {
  const auto automaton = compile(Form::json_object, "");
  ASSERT_TRUE(automaton);
  Matcher matcher(*automaton);
  constexpr int kDepth = 2000;
  for (int i = 0; i < kDepth; ++i) ASSERT_TRUE(matcher.advance(R"({"a":[)"));
  for (int i = 0; i < kDepth; ++i) ASSERT_TRUE(matcher.advance("]}"));
  EXPECT_TRUE(matcher.can_end());
  Matcher long_list(*automaton);
  ASSERT_TRUE(long_list.advance(R"({"a":[0)"));
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(long_list.advance(R"(,{"b": [1]})"));
  EXPECT_LT(long_list.frames().size(), 1000u);
  EXPECT_TRUE(long_list.advance("]}"));
  EXPECT_TRUE(long_list.can_end());
}

// After n letters there are n ways to go on: some are dropped, what stays is right.
TEST(Matcher, too_many_readings_narrow_the_language_and_never_widen_it) {
  const auto automaton = compile(Form::grammar, R"(root ::= "a" root "b"? | "x")");
  ASSERT_TRUE(automaton);
  Matcher matcher(*automaton);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(matcher.advance("a"));
  ASSERT_TRUE(matcher.advance("x"));
  EXPECT_LE(matcher.readings().size(), kReadingsMax);
  EXPECT_TRUE(matcher.advance("bb"));
  EXPECT_FALSE(testing::takes(*automaton, "aaxbbb"));
  EXPECT_TRUE(testing::takes(*automaton, "aaxb"));
}

TEST(Frames, the_newest_can_be_dropped) {
  Frames frames;
  const Reading one{3, kBase};
  const FrameId first = frames.push({&one, 1});
  const Digest name = frames.name(first);
  const Reading two{4, first};
  frames.push({&two, 1});
  frames.drop_to(first + 1u);
  EXPECT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames.name(first), name);
  EXPECT_EQ(frames.callers(first).size(), 1u);
  EXPECT_NE(frames.name(Reading{3, first}), frames.name(Reading{4, first}));
  EXPECT_NE(frames.name(Reading{3, first}), frames.name(Reading{3, kBase}));
}

}  // namespace
}  // namespace baton::constraint
