#include "decode/output_text.h"

#include <gtest/gtest.h>

#include "tests/simulation/fake_model.h"

namespace baton::decode {
namespace {

// Of the simulation's vocabulary: 'A' is 0, 'B' 1, ...; 56 and 57 are the two bytes of an e-acute.
constexpr TokenId kA = 0, kB = 1, kC = 2, kFirstHalf = 56, kSecondHalf = 57;

class OutputTextTest : public testing::Test {
 protected:
  OutputTextTest() { request_.stop.max_tokens = 100; }
  std::vector<TokenEvent> say(const std::vector<TokenId>& tokens) const {
    OutputText text(tokenizer_, request_, 0, {simulation::kEndToken});
    std::vector<TokenEvent> events;
    for (const TokenId token : tokens) {
      if (text.finished()) break;
      events.push_back(text.push(token));
    }
    return events;
  }
  static std::string joined(const std::vector<TokenEvent>& events) {
    std::string all;
    for (const TokenEvent& event : events) all += event.text;
    return all;
  }
  text::Tokenizer tokenizer_ = simulation::fake_tokenizer();
  RequestState request_;
};

TEST_F(OutputTextTest, HalfACharacterComesWithItsOtherHalf) {
  const auto events = say({kA, kFirstHalf, kSecondHalf});
  EXPECT_EQ(events[0].text, "A");
  EXPECT_EQ(events[1].text, "");
  EXPECT_EQ(events[2].text, "\xc3\xa9");
  EXPECT_EQ(events[2].index, 2u);
}

TEST_F(OutputTextTest, AnEndTokenEndsTheChoiceAndIsNoText) {
  const auto events = say({kA, simulation::kEndToken, kB});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].finish, FinishReason::stop);
  EXPECT_EQ(joined(events), "A");
}

TEST_F(OutputTextTest, AnEndTokenMayBeIgnoredAndOthersMayBeAdded) {
  request_.stop.ignore_eos = true;
  request_.stop.tokens = {kB};
  const auto events = say({kA, simulation::kEndToken, kC, kB});
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[3].finish, FinishReason::stop);
  EXPECT_EQ(joined(events), "AC");
}

TEST_F(OutputTextTest, AStopTokenIsTextWhereTheRequestWantsItButTheModelsEndNeverIs) {
  request_.report.skip_special_tokens = false;
  request_.stop.include_string = true;
  request_.stop.tokens = {kB, kSecondHalf, simulation::kEndToken};
  request_.stop.strings = {"AC"};
  auto events = say({kA, kB});
  EXPECT_EQ(events[1].finish, FinishReason::stop);
  EXPECT_EQ(events[1].stop_string, "");
  EXPECT_EQ(joined(events), "AB") << "what was held back comes before it";
  EXPECT_EQ(joined(say({kC, kFirstHalf, kSecondHalf})), "C\xc3\xa9");
  EXPECT_EQ(joined(say({kC, simulation::kEndToken})), "C");
  request_.parts.markers = {{kB, Part::tool}};
  EXPECT_EQ(joined(say({kC, kB})), "C") << "a marker is no text";
}

TEST_F(OutputTextTest, AStopStringIsHeldBackCutOffAndNamed) {
  request_.stop.strings = {"", "BC"};
  const auto events = say({kA, kB, kC});
  EXPECT_EQ(events[1].text, "");
  EXPECT_EQ(events[2].finish, FinishReason::stop);
  EXPECT_EQ(events[2].stop_string, "BC");
  EXPECT_EQ(joined(events), "A");
  request_.stop.include_string = true;
  EXPECT_EQ(joined(say({kA, kB, kC})), "ABC");
}

TEST_F(OutputTextTest, WhatWasHeldBackComesWithTheEnd) {
  request_.stop.strings = {"BC"};
  request_.stop.max_tokens = 2;
  const auto events = say({kA, kB});
  EXPECT_EQ(events[1].finish, FinishReason::length);
  EXPECT_EQ(events[1].text, "B");
  request_.stop.max_tokens = 3;
  EXPECT_EQ(say({kA, kB, kFirstHalf})[2].text, "B\xef\xbf\xbd");
}

TEST_F(OutputTextTest, BeforeMinTokensNoStopStringCounts) {
  request_.stop.strings = {"B"};
  request_.stop.min_tokens = 2;
  const auto events = say({kB, kB, kA, kB});
  EXPECT_EQ(joined(events), "BBA");
  EXPECT_EQ(events[3].finish, FinishReason::stop);
}

TEST_F(OutputTextTest, AMarkerIsNoTextAndWhatWasHeldBackComesWithIt) {
  request_.parts.markers = {{kC, Part::tool}};
  request_.stop.strings = {"BA"};
  const auto events = say({kB, kC, kA, kFirstHalf, kC, kA});
  EXPECT_EQ(events[0].text, "");
  EXPECT_EQ(events[1].text, "B");
  EXPECT_EQ(events[1].token, kC);
  EXPECT_EQ(events[2].text, "A") << "what came before the marker doesn't begin a stop string";
  EXPECT_EQ(events[4].text, "\xef\xbf\xbd");
  EXPECT_EQ(events[5].text, "A");
}

TEST_F(OutputTextTest, StopStringsEndContentOnly) {
  request_.parts = {Part::reasoning, {{kC, Part::content}}, std::nullopt};
  request_.stop.strings = {"B"};
  const auto events = say({kB, kB, kC, kA, kB});
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(joined(events), "BBA");
  EXPECT_EQ(events[4].finish, FinishReason::stop);
  request_.stop.max_tokens = 3;
  EXPECT_EQ(say({kB, kB, kC})[2].finish, FinishReason::length);
}

TEST_F(OutputTextTest, AStopStringMayBeCompletedByWhatAMarkerReveals) {
  request_.parts.markers = {{kC, Part::tool}};
  request_.stop.strings = {"\xef\xbf\xbd"};
  const auto events = say({kA, kFirstHalf, kC, kA});
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[2].finish, FinishReason::stop);
}

TEST_F(OutputTextTest, TheSameTokensGiveTheSameEventsAgain) {
  request_.stop.strings = {"CA"};
  const std::vector<TokenId> tokens = {kA, kC, kB, kFirstHalf, kSecondHalf, kC, kA};
  EXPECT_EQ(say(tokens), say(tokens));
}

}  // namespace
}  // namespace baton::decode
