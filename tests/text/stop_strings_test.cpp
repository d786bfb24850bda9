#include "model/text/stop_strings.h"

#include <gtest/gtest.h>

#include <random>

namespace baton::text {
namespace {

struct Outcome {
  std::string text;
  std::optional<size_t> which;
  bool operator==(const Outcome&) const = default;
};

// Feeds `text` in pieces that end at the places in `cuts`.
Outcome run(StopStrings stops, std::string_view text, const std::vector<size_t>& cuts) {
  Outcome outcome;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    const auto output = stops.feed(text.substr(begin, cut - begin));
    outcome.text += output.emit;
    if (output.stopped) {
      outcome.which = output.which;
      EXPECT_EQ(stops.feed("more").emit, "");
      return outcome;
    }
    begin = cut;
  }
  const auto output = stops.feed(text.substr(begin));
  outcome.text += output.emit;
  if (output.stopped) {
    outcome.which = output.which;
  } else {
    outcome.text += stops.flush();
  }
  return outcome;
}

// The definition: the first end of any stop string, the longest of those that end there.
Outcome slow(const std::vector<std::string>& stops, const std::string& text, bool include) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::optional<size_t> best;
    for (size_t i = 0; i < stops.size(); ++i) {
      const bool here =
          !stops[i].empty() && std::string_view(text).substr(0, end).ends_with(stops[i]);
      if (here && (!best || stops[i].size() > stops[*best].size())) best = i;
    }
    if (best) return {text.substr(0, include ? end : end - stops[*best].size()), best};
  }
  return {text, std::nullopt};
}

TEST(StopStrings, HoldsBackWhatMayBeginOne) {
  StopStrings stops({"</end>"});
  EXPECT_EQ(stops.feed("a</e").emit, "a");
  EXPECT_EQ(stops.held(), "</e");
  EXPECT_EQ(stops.feed("x").emit, "</ex");
  const auto output = stops.feed("y</end>z");
  EXPECT_EQ(output.emit, "y");
  EXPECT_TRUE(output.stopped);
  EXPECT_EQ(output.which, 0u);
  EXPECT_TRUE(stops.stopped());
}

TEST(StopStrings, WhatIsHeldComesAtTheEnd) {
  StopStrings stops({"stop"});
  EXPECT_EQ(stops.feed("sto").emit, "");
  EXPECT_EQ(stops.flush(), "sto");
}

TEST(StopStrings, IncludedOnesNeedNoHoldingBack) {
  StopStrings stops({"stop"}, true);
  EXPECT_EQ(stops.feed("a sto").emit, "a sto");
  EXPECT_EQ(stops.feed("p it").emit, "p");
}

TEST(StopStrings, NoneAndEmptyOnesStopNothing) {
  StopStrings none, empty({""});
  EXPECT_EQ(none.feed("abc").emit, "abc");
  EXPECT_EQ(empty.feed("abc").emit, "abc");
}

TEST(StopStrings, WholeCharactersInWholeCharactersOut) {
  StopStrings stops({"é!"});
  EXPECT_EQ(stops.feed("aé").emit, "a");
  EXPECT_EQ(stops.feed("è").emit, "éè");
}

TEST(StopStrings, EverySplitGivesTheDefinition) {
  std::mt19937 random(11);
  const auto word = [&](size_t length) {
    std::string text;
    while (text.size() < length) text += static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> stops;
    for (size_t i = 0; i < 1 + random() % 3; ++i) stops.push_back(word(random() % 5));
    const auto text = word(random() % 14);
    const bool include = round % 2 == 0;
    const auto expected = slow(stops, text, include);
    std::vector<size_t> cuts;
    for (size_t i = 0; i < text.size(); ++i) {
      if (random() % 2) cuts.push_back(i);
    }
    EXPECT_EQ(run(StopStrings(stops, include), text, cuts), expected) << text;
    EXPECT_EQ(run(StopStrings(stops, include), text, {}), expected) << text;
  }
}

}  // namespace
}  // namespace baton::text
