#include "model/text/jinja/json.h"

#include <gtest/gtest.h>

#include "tests/text/jinja/render.h"

namespace baton::text::jinja {
namespace {

using testing::Json;

TEST(Json, WritesAsPythonDoesAndKeepsTheOrderOfKeys) {
  const Json value = Json::parse(
      R"({"z": [1, 2.0, true, null, "é<&>'\"\\\n"], "a": {}, "e": [], "n": -5, "f": 1e22})");
  EXPECT_EQ(testing::rendered("{{ v|tojson }}", {{"v", value}}),
            R"({"z": [1, 2.0, true, null, "é<&>'\"\\\n"], "a": {}, "e": [], "n": -5, "f": 1e+22})");
  EXPECT_EQ(testing::rendered("{{ v|tojson(indent=1) }}", {{"v", Json::parse(R"({"a":[1]})")}}),
            "{\n \"a\": [\n  1\n ]\n}");
}

TEST(Json, WhatItWritesIsRequestDataAsAWhole) {
  EXPECT_EQ(testing::marked("<{{ {'k': v}|tojson }}>", {{"v", 1}}), "<{{\"k\": 1}}>");
}

TEST(Json, DeepDataIsRefusedNotFollowed) {
  Json deep = 1;
  // Deep enough to be refused, and no deeper: the test's own copies are followed to the end.
  for (int i = 0; i < 3 * nesting_max; ++i) deep = Json::array({std::move(deep)});
  EXPECT_EQ(testing::rendered("x", {{"v", deep}}).substr(0, 2), "! ");
}

}  // namespace
}  // namespace baton::text::jinja
