#include "base/system/options.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

struct Parsed {
  std::optional<int> status;
  size_t memory = 64;
  int port = 8000;
};

Parsed parse(std::vector<std::string> arguments) {
  Parsed parsed;
  CLI::App app("a test");
  add_bytes_option(app, "--kv-memory", parsed.memory, "memory of the pool");
  app.add_option("--port", parsed.port, "port");
  arguments.insert(arguments.begin(), "test");
  std::vector<char*> argv;
  for (auto& a : arguments) argv.push_back(a.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  parsed.status = parse_options(app, static_cast<int>(argv.size()), argv.data());
  ::testing::internal::GetCapturedStdout();
  ::testing::internal::GetCapturedStderr();
  return parsed;
}

TEST(Options, TheCommandLineBeatsTheEnvironmentBeatsTheDefault) {
  EXPECT_EQ(parse({}).port, 8000);
  ::setenv("BATON_PORT", "9000", 1);
  EXPECT_EQ(parse({}).port, 9000);
  EXPECT_EQ(parse({"--port", "9001"}).port, 9001);
  ::unsetenv("BATON_PORT");
}

TEST(Options, BytesHaveUnits) {
  EXPECT_EQ(parse({"--kv-memory", "64M"}).memory, size_t{64} << 20);
  EXPECT_EQ(parse({"--kv-memory", "2G"}).memory, size_t{2} << 30);
}

TEST(Options, AnUnknownFlagIsStatusTwoAndHelpIsZero) {
  EXPECT_EQ(parse({"--prot", "1"}).status, 2);
  EXPECT_EQ(parse({"--port", "x"}).status, 2);
  EXPECT_EQ(parse({"--help"}).status, 0);
  EXPECT_EQ(parse({"--version"}).status, 0);
  EXPECT_EQ(parse({}).status, std::nullopt);
}

}  // namespace
}  // namespace baton
