#include "server/relay/token_log.h"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

using Verdict = TokenLog::Verdict;

TokenEvent token(ChoiceIndex choice, uint32_t index, bool last = false) {
  TokenEvent event;
  event.choice = choice;
  event.index = index;
  event.token = 10 * choice + index;
  if (last) event.finish = FinishReason::stop;
  return event;
}

TEST(TokenLog, OnlyTheNextTokenOfAChoiceIsTheNext) {
  TokenLog log(2, 10);
  EXPECT_EQ(log.judge(token(0, 0)), Verdict::next);
  EXPECT_EQ(log.judge(token(0, 1)), Verdict::gap);
  log.append(token(0, 0));
  EXPECT_EQ(log.judge(token(0, 0)), Verdict::duplicate);
  EXPECT_EQ(log.judge(token(0, 1)), Verdict::next);
  EXPECT_EQ(log.judge(token(1, 0)), Verdict::next);
}

TEST(TokenLog, WhatIsBeyondTheRequestIsForeign) {
  TokenLog log(1, 2);
  EXPECT_EQ(log.judge(token(1, 0)), Verdict::foreign);
  EXPECT_EQ(log.judge(token(0, 2)), Verdict::foreign);
  log.append(token(0, 0, true));
  EXPECT_EQ(log.judge(token(0, 1)), Verdict::foreign);
  EXPECT_EQ(log.judge(token(0, 0)), Verdict::duplicate);
}

TEST(TokenLog, IsFinishedWhenEveryChoiceIs) {
  TokenLog log(2, 10);
  log.append(token(0, 0, true));
  EXPECT_FALSE(log.finished());
  log.append(token(1, 0, true));
  EXPECT_TRUE(log.finished());
}

TEST(TokenLog, KnowsWhatTheClientHasByChoice) {
  TokenLog log(2, 10);
  EXPECT_TRUE(log.known().empty());
  log.append(token(1, 0));
  log.append(token(1, 1));
  EXPECT_EQ(log.known(), (std::vector<std::vector<TokenId>>{{}, {10, 11}}));
  EXPECT_EQ(log.tokens(), 2u);
}

}  // namespace
}  // namespace baton::server
