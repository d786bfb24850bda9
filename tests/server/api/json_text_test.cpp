#include "server/api/json_text.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace baton::server::api {
namespace {

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonText, every_byte_comes_back_as_a_reader_sees_it) {
  for (int i = 0; i < 128; ++i) {
    const std::string text = std::string("a") + static_cast<char>(i) + "b";
    EXPECT_EQ(nlohmann::json::parse(as_json(text)).get<std::string>(), text) << i;
  }
  EXPECT_EQ(as_json("é😀"), "\"é😀\"");
  EXPECT_EQ(as_json("\x7f"), "\"\\u007f\"");
}

TEST(JsonText, what_is_no_utf8_is_replaced) {
  EXPECT_EQ(as_json("a\xff"
                    "b"),
            "\"a\xEF\xBF\xBD"
            "b\"");
  EXPECT_EQ(as_json("\xf0\x9f"), "\"\xEF\xBF\xBD\"");
}

TEST(JsonText, numbers_read_back_the_same_and_infinity_is_a_number) {
  std::string out;
  append_json_number(out, -0.1f);
  EXPECT_EQ(out, "-0.1");
  out.clear();
  append_json_number(out, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(out, "-9999.0");
}

TEST(JsonText, half_surrogates_are_replaced_where_they_are_escaped) {
  EXPECT_EQ(without_half_surrogates(R"({"a":"\ud83d\ude00 \u00e4"})"),
            R"({"a":"\ud83d\ude00 \u00e4"})");
  EXPECT_EQ(without_half_surrogates(R"(["\ud83d","\udE00\ud83d\\ud83d"])"),
            R"(["\ufffd","\ufffd\ufffd\\ud83d"])");
  EXPECT_EQ(without_half_surrogates(R"(["\ud8)"), R"(["\ud8)");
}

TEST(JsonText, an_event_is_one_line_and_an_empty_one) {
  std::string out;
  append_event(out, "{}");
  EXPECT_EQ(out, "data: {}\n\n");
}

}  // namespace
}  // namespace baton::server::api
