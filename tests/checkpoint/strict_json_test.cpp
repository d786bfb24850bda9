#include "model/checkpoint/strict_json.h"

#include <gtest/gtest.h>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

using testing::TemporaryFolder;

std::string problem(std::string_view text, const JsonLimits& limits = {}) {
  const auto parsed = parse_strict_json(text, "f.json", limits);
  return parsed ? "" : parsed.error().message;
}

TEST(StrictJson, BuildsTheSameValueAsTheLibrary) {
  const std::string text =
      R"({"a":[1,-2,3.5,[],{},[[true]]],"b":{"c":null,"d":{"e":"\u00e9"}},"":[{"x":1},{"x":2}]})";
  const auto parsed = parse_strict_json(text, "f.json");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(*parsed, nlohmann::json::parse(text));
}

TEST(StrictJson, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_EQ(problem(R"({"a":1,"a":1})"), "f.json has the key \"a\" twice.");
  EXPECT_EQ(problem(R"([{"b":{"a":1,"c":2,"a":3}}])"), "f.json has the key \"a\" twice.");
  EXPECT_EQ(problem(R"([{"a":1},{"a":1}])"), "");
}

TEST(StrictJson, RefusesWhatIsNotJson) {
  EXPECT_EQ(problem("{\"a\":}"), "f.json is not valid JSON at byte 6.");
  EXPECT_NE(problem(""), "");
  EXPECT_NE(problem("{} x"), "");
  EXPECT_NE(problem("{\"a\":1,}"), "");
  EXPECT_NE(problem("[1e999]"), "");
  EXPECT_NE(problem("NaN"), "");
  EXPECT_NE(problem("// c\n{}"), "");
}

TEST(StrictJson, RefusesBadUtf8) {
  EXPECT_EQ(problem("{\"a\xff\":1}"), "f.json is not valid UTF-8 at byte 4.");
  EXPECT_NE(problem("\"\xed\xa0\x80\""), "");  // a surrogate
}

TEST(StrictJson, BoundsDepthAndValues) {
  EXPECT_EQ(problem(std::string(32, '[') + std::string(32, ']')), "");
  EXPECT_EQ(problem(std::string(33, '[') + std::string(33, ']')),
            "f.json is nested deeper than 32 levels.");
  EXPECT_NE(problem(std::string(1'000'000, '[')), "");
  EXPECT_EQ(problem("[1,2,3]", {.values_max = 4}), "");
  EXPECT_EQ(problem("[1,2,3,4]", {.values_max = 4}), "f.json has more than 4 values.");
}

TEST(StrictJson, KeepsTheOrderOfKeysWhereAskedTo) {
  const std::string text = R"({"z":1,"a":{"y":[{"c":1,"b":2}],"x":null},"m":2.5})";
  EXPECT_EQ(parse_strict_ordered_json(text, "f")->dump(), text);
  EXPECT_EQ(parse_strict_ordered_json(R"([{"b":{"a":1,"c":2,"a":3}}])", "f").error().message,
            "f has the key \"a\" twice.");
  EXPECT_FALSE(parse_strict_ordered_json("[1,2,3,4]", "f", {.values_max = 4}));
}

TEST(StrictJson, ManyKeysAreNoTrap) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += fmt::format("\"k{}\":0,", i);
  text += "\"k7\":0}";
  EXPECT_EQ(parse_strict_ordered_json(text, "f").error().message, "f has the key \"k7\" twice.");
}

TEST(StrictJson, ReadsFilesUpToALimit) {
  TemporaryFolder folder;
  testing::write_file(folder / "a", "12345");
  EXPECT_EQ(read_text_file(folder / "a", 5).value(), "12345");
  EXPECT_NE(read_text_file(folder / "a", 4).error().message.find("larger than the 4"),
            std::string::npos);
  EXPECT_EQ(read_text_file(folder / "b", 4).error().code, ErrorCode::not_found);
  EXPECT_NE(read_text_file(folder.path(), 4).error().message.find("not a regular file"),
            std::string::npos);
}

}  // namespace
}  // namespace baton::checkpoint
