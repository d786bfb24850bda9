#include "base/observe/log.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton {
namespace {

nlohmann::json written(const std::function<void()>& act) {
  ::testing::internal::CaptureStderr();
  act();
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), text.empty() ? 0 : 1);
  return text.empty() ? nlohmann::json() : nlohmann::json::parse(text);
}

TEST(Log, ALineIsOneJsonObjectWithTheCallersFields) {
  const auto line = written([] {
    Log("baton-decode", "decode-0").info("request.joined", {{"request", "a\n\x01"}, {"rows", 3}});
  });
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["daemon"], "baton-decode");
  EXPECT_EQ(line["instance"], "decode-0");
  EXPECT_EQ(line["event"], "request.joined");
  EXPECT_EQ(line["request"], "a\n\x01");
  EXPECT_EQ(line["rows"], 3);
  EXPECT_EQ(line["ts"].get<std::string>().back(), 'Z');
}

TEST(Log, WritesNothingBelowItsLevelNorWithoutAName) {
  EXPECT_TRUE(written([] { Log("d", "i").debug("x", {}); }).is_null());
  EXPECT_TRUE(written([] { Log().error("x", {}); }).is_null());
  EXPECT_EQ(written([] { Log("d", "i", LogLevel::debug).debug("x", {}); })["level"], "debug");
  EXPECT_EQ(written([] { Log("d", "i").warning("x", {}); })["event"], "x");
}

TEST(Log, AnEndlessLineIsCut) {
  const auto line = written([] {
    Log("d", "").error("big", {{"text", std::string(100'000, 'x')}});
  });
  EXPECT_EQ(line["cut"], true);
  EXPECT_EQ(line["event"], "big");
}

}  // namespace
}  // namespace baton
