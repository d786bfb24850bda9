#include "server/api/output/json_scanner.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/hash/counter_rng.h"

namespace baton::server::api {
namespace {

using State = JsonScanner::State;

TEST(JsonScanner, finds_the_end_of_an_object) {
  for (const std::string object :
       {"{}", " {\n}", R"({"a":1})", R"({"a":[1,-2.5e+3,0,{"b":"}\"\\"}],"c":{"d":null}})",
        R"({"a":"\u00e9\n","b":true,"c":false})", R"({"a":[],"b":[[]],"c":0.1E5})"}) {
    for (size_t step = 1; step <= object.size(); ++step) {
      JsonScanner scanner;
      const std::string text = object + " rest";
      size_t used = 0;
      for (size_t at = 0; at < text.size(); at += step) {
        used += scanner.feed(std::string_view(text).substr(at, step));
      }
      EXPECT_EQ(scanner.state(), State::complete) << object;
      EXPECT_EQ(used, object.size()) << object;
    }
  }
}

TEST(JsonScanner, stops_at_the_first_byte_that_cannot_be) {
  const std::pair<const char*, size_t> cases[] = {{"[1]", 0},
                                                  {"x", 0},
                                                  {"{a", 1},
                                                  {R"({"a" 1})", 5},
                                                  {R"({"a":01})", 6},
                                                  {R"({"a":1,})", 7},
                                                  {R"({"a":tru3})", 8},
                                                  {R"({"a":.5})", 5},
                                                  {R"({"a":1.})", 7},
                                                  {R"({"a":-})", 6},
                                                  {R"({"a":"\x"})", 7},
                                                  {R"({"a":"\u00g"})", 10},
                                                  {"{\"a\":\"\n\"}", 6},
                                                  {R"({"a":[1}])", 7},
                                                  {R"({"a":1e})", 7},
                                                  {R"({"a":[,]})", 6}};
  for (const auto& [text, used] : cases) {
    JsonScanner scanner;
    EXPECT_EQ(scanner.feed(text), used) << text;
    EXPECT_EQ(scanner.state(), State::broken) << text;
    EXPECT_EQ(scanner.feed("{}"), 0u);
  }
}

TEST(JsonScanner, is_open_until_the_object_is_whole) {
  for (const char* text : {"", "{", R"({"a)", R"({"a":1)", R"({"a":[1])"}) {
    JsonScanner scanner;
    scanner.feed(text);
    EXPECT_EQ(scanner.state(), State::open) << text;
  }
}

TEST(JsonScanner, nesting_is_bounded) {
  std::string deep = "{\"a\":";
  for (int i = 0; i < 126; ++i) deep += '[';
  JsonScanner scanner;
  EXPECT_EQ(scanner.feed(deep + "["), deep.size() + 1);
  EXPECT_EQ(scanner.feed("["), 0u);
}

// Mutations of an object: what the scanner takes for whole, the library reads, and the other way.
TEST(JsonScanner, agrees_with_a_parser) {
  SeededRandom random(7);
  const std::string alphabet = R"({}[]":,0123456789.eE+-\ntfu abnrl )";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = R"({"a":[1,-2.5e+3,{"b":"\"x\u00e9"}],"c":null,"d":[true,false]})";
    for (uint64_t i = random.below(4); i > 0; --i) {
      text[random.below(text.size())] = alphabet[random.below(alphabet.size())];
    }
    JsonScanner scanner;
    const size_t used = scanner.feed(text);
    const bool whole = scanner.state() == State::complete && used == text.size();
    const bool object = nlohmann::json::accept(text);
    if (whole != object) {
      // Lone surrogates are the only thing that the scanner leaves to others.
      EXPECT_TRUE(whole && text.find("\\u") != std::string::npos) << text;
    }
  }
}

}  // namespace
}  // namespace baton::server::api
