#include "base/system/options.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

struct Parsed {
  std::optional<int> status;
  size_t memory = 64;
  uint16_t port = 8000;
  double timeout = 5;
  std::string complaint;
};

Parsed parse(std::vector<std::string> arguments) {
  Parsed parsed;
  CLI::App app("a test");
  add_bytes_option(app, "--kv-memory", parsed.memory, "memory of the pool");
  app.add_option("--port", parsed.port, "port");
  app.add_option("--timeout", parsed.timeout, "seconds")->check(CLI::PositiveNumber);
  arguments.insert(arguments.begin(), "test");
  std::vector<char*> argv;
  for (auto& a : arguments) argv.push_back(a.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  parsed.status = parse_options(app, static_cast<int>(argv.size()), argv.data());
  ::testing::internal::GetCapturedStdout();
  parsed.complaint = ::testing::internal::GetCapturedStderr();
  parsed.complaint = parsed.complaint.substr(0, parsed.complaint.find('\n'));
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

TEST(Options, ANumberThatIsNoneOrDoesNotFitIsRefusedInOneSentence) {
  using Arguments = std::vector<std::string>;
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{"--port", ""}, "--port: '' is not a whole number"},
      {{"--port", "x"}, "--port: 'x' is not a whole number"},
      {{"--port", "-1"}, "--port: '-1' is not a whole number"},
      {{"--port", "65536"}, "--port = 65536 is too large"},
      {{"--timeout", ""}, "--timeout: '' is not a number"},
      {{"--timeout", "nan"}, "--timeout: 'nan' is not a number"},
      {{"--timeout", "inf"}, "--timeout: inf is too large"},
      {{"--timeout", "1e300"}, "--timeout: 1e300 is too large"},
      {{"--timeout", "-1"}, "--timeout: -1 is negative"},
      {{"--kv-memory", "-1"}, "--kv-memory: '-1' is not a number of bytes, such as 512M or 2G"},
      {{"--frob", "1"}, "not a flag of this program: --frob 1"},
  };
  for (const auto& [arguments, sentence] : cases) {
    const Parsed parsed = parse(arguments);
    EXPECT_EQ(parsed.status, 2) << sentence;
    EXPECT_EQ(parsed.complaint, sentence);
  }
  EXPECT_EQ(parse({"--timeout", "2.5"}).timeout, 2.5);
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
