#include "server/api/output/tool_parser.h"

#include <gtest/gtest.h>

#include "server/api/answer/answer.h"
#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

using Kind = OutputEvent::Kind;

const std::vector<std::string> kNames = {"f", "get_weather"};

// Feeds text in which markers are spelled, in pieces of `step` bytes.
std::vector<OutputEvent> parse(std::string_view text, size_t step = 1) {
  static constexpr std::pair<std::string_view, ToolMarker> kMarkers[] = {
      {"<｜tool▁calls▁begin｜>", ToolMarker::calls_begin},
      {"<｜tool▁calls▁end｜>", ToolMarker::calls_end},
      {"<｜tool▁call▁begin｜>", ToolMarker::call_begin},
      {"<｜tool▁call▁end｜>", ToolMarker::call_end},
      {"<｜tool▁sep｜>", ToolMarker::sep}};
  ToolParser parser(kNames);
  std::vector<OutputEvent> events;
  while (!text.empty()) {
    size_t next = std::string_view::npos;
    std::pair<std::string_view, ToolMarker> found{};
    for (const auto& marker : kMarkers) {
      if (const size_t at = text.find(marker.first); at < next) next = at, found = marker;
    }
    std::string_view plain = text.substr(0, next);
    while (!plain.empty()) {
      const auto piece = plain.substr(0, step);
      if (parser.active()) {
        parser.text(piece, events);
      } else {
        append_event_text(events, Kind::content, piece);
      }
      plain.remove_prefix(piece.size());
    }
    if (next == std::string_view::npos) break;
    parser.marker(found.second, found.first, events);
    text.remove_prefix(next + found.first.size());
  }
  parser.finish(events);
  return events;
}

struct Said {
  std::string content;
  std::vector<std::pair<std::string, std::string>> calls;
};

Said said(std::string_view text) {
  ChoiceText all;
  for (const auto& event : parse(text)) all.add(event);
  Said out{all.content, {}};
  for (const auto& call : all.calls) out.calls.emplace_back(call.name, call.arguments);
  return out;
}

const std::string kBegin = "<｜tool▁calls▁begin｜>", kEnd = "<｜tool▁calls▁end｜>";
const std::string kCall = "<｜tool▁call▁begin｜>", kCallEnd = "<｜tool▁call▁end｜>";
const std::string kSep = "<｜tool▁sep｜>";

std::string v31(const std::string& name, const std::string& arguments) {
  return kCall + name + kSep + arguments + kCallEnd;
}
std::string v3(const std::string& name, const std::string& arguments) {
  return kCall + "function" + kSep + name + "\n```json\n" + arguments + "\n```" + kCallEnd;
}

TEST(ToolParser, reads_the_calls_of_both_styles) {
  const auto expected = std::vector<std::pair<std::string, std::string>>{
      {"f", R"({"a": 1})"}, {"get_weather", R"({"city":"東京 }\""})"}};
  for (const std::string& text :
       {kBegin + v31("f", R"({"a": 1})") + v31("get_weather", R"({"city":"東京 }\""})") + kEnd,
        kBegin + v3("f", R"({"a": 1})") + "\n" + v3("get_weather", R"({"city":"東京 }\""})") + kEnd,
        kBegin + kCall + "f" + kSep + "\n {\"a\": 1} \n" + kCallEnd + "\n" +
            v31("get_weather", R"({"city":"東京 }\""})") + kEnd}) {
    const Said all = said(text);
    EXPECT_EQ(all.content, "") << text;
    EXPECT_EQ(all.calls, expected) << text;
  }
}

TEST(ToolParser, tells_a_call_as_soon_as_its_name_is_known_and_arguments_as_they_come) {
  const auto events = parse(kBegin + v31("f", R"({"a":1})") + kEnd);
  const std::vector<OutputEvent> expected = {
      {Kind::call, "f", 0}, {Kind::arguments, R"({"a":1})", 0}, {Kind::call_end, "", 0}};
  EXPECT_EQ(events, expected);
}

TEST(ToolParser, content_around_calls_stays_content) {
  const Said all = said("Let me see." + kBegin + v31("f", "{}") + kEnd + "Done.");
  EXPECT_EQ(all.content, "Let me see.Done.");
  EXPECT_EQ(all.calls.size(), 1u);
}

TEST(ToolParser, missing_markers_at_the_end_are_forgiven) {
  for (const std::string& text :
       {kBegin + kCall + "f" + kSep + "{}", kBegin + kCall + "f" + kSep + "{}" + kCallEnd,
        kBegin + kCall + "f" + kSep + "{}" + kEnd, kCall + "f" + kSep + "{}" + kCallEnd,
        kBegin + kCall + "f" + kSep, kBegin + kCall + "f" + kSep + kCallEnd + kEnd,
        kBegin + kCall + "function" + kSep + "f\n```json\n{}"}) {
    const Said all = said(text);
    ASSERT_EQ(all.calls.size(), 1u) << text;
    EXPECT_EQ(all.calls[0], (std::pair<std::string, std::string>("f", "{}"))) << text;
    EXPECT_EQ(all.content, "") << text;
  }
  const Said two = said(kBegin + kCall + "f" + kSep + "{}" + v31("f", "{}") + kEnd);
  EXPECT_EQ(two.calls.size(), 2u);
}

TEST(ToolParser, what_is_no_call_comes_back_as_the_model_wrote_it) {
  for (const std::string& text :
       {kBegin + v31("unknown", "{}") + kEnd, kBegin + v31("f", R"({"a":})") + kEnd,
        kBegin + v31("f", R"({"a":1)") + kEnd, kBegin + kCall + "f" + kSep + R"({"a")",
        kBegin + v31("f", "[1]") + kEnd, kBegin + v3("unknown", "{}") + kEnd,
        kBegin + kCall + "function" + kSep + "f\nno fence\n{}" + kCallEnd + kEnd,
        kBegin + "text" + kEnd, kBegin + kEnd, kBegin, kEnd, kSep + "x", kCallEnd, kCall,
        kBegin + kCall + std::string(300, 'x') + kSep + "{}" + kCallEnd + kEnd,
        kBegin + kCall + "function" + kSep + std::string(300, 'x') + kCallEnd + kEnd,
        kBegin + kCall + "f" + kSep + kSep + "{}" + kCallEnd + kEnd}) {
    const Said all = said(text);
    EXPECT_EQ(all.content, text);
    EXPECT_TRUE(all.calls.empty()) << text;
  }
}

TEST(ToolParser, a_broken_call_does_not_take_the_good_ones_with_it) {
  const Said all =
      said(kBegin + v31("f", "{}") + v31("f", "{1}") + v31("get_weather", "{}") + kEnd);
  ASSERT_EQ(all.calls.size(), 2u);
  EXPECT_EQ(all.calls[1].first, "get_weather");
  EXPECT_EQ(all.content, v31("f", "{1}"));
}

TEST(ToolParser, what_was_told_of_a_broken_call_is_not_said_again_in_a_stream) {
  const auto events = parse(kBegin + v31("f", R"({"a":x})") + kEnd);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[1], (OutputEvent{Kind::arguments, R"({"a":)", 0}));
  EXPECT_EQ(events[2].kind, Kind::call_broken);
  EXPECT_EQ(events[2].text, kBegin + kCall + "f" + kSep + R"({"a":)");
  EXPECT_EQ(events[2].rest, 0u);
  EXPECT_EQ(events[3], (OutputEvent{Kind::content, "x}" + kCallEnd + kEnd, 0}));
  const auto cut = parse(kBegin + kCall + "f" + kSep + R"({"a")" + kCallEnd + kEnd);
  EXPECT_EQ(cut[2].kind, Kind::call_broken);
  EXPECT_EQ(cut[2].text.substr(cut[2].text.size() - cut[2].rest), kCallEnd);
}

TEST(ToolParser, any_split_of_the_text_gives_the_same_events) {
  for (const std::string& text :
       {"a" + kBegin + v3("f", R"({"a": "b\n"})") + "\n" + v31("get_weather", "{}") + kEnd + "b",
        kBegin + v31("f", "{1}") + kEnd, kBegin + " x " + v31("f", "{}") + " y" + kEnd}) {
    const auto whole = parse(text, 1000);
    for (size_t step = 1; step < 12; ++step) EXPECT_EQ(parse(text, step), whole) << text;
  }
}

}  // namespace
}  // namespace baton::server::api
