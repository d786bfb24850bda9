#include <gtest/gtest.h>

#include "server/gateway_program.h"

namespace baton::server {
namespace {

std::optional<int> parse(GatewayProgramOptions& options, std::vector<const char*> flags) {
  std::vector<char*> argv;
  for (const char* each : {"baton-gateway", "--model", "x"})
    argv.push_back(const_cast<char*>(each));
  for (const char* each : flags) argv.push_back(const_cast<char*>(each));
  return parse_gateway_options(options, static_cast<int>(argv.size()), argv.data());
}

TEST(GatewayOptions, times_are_told_in_seconds) {
  GatewayProgramOptions options;
  ASSERT_FALSE(parse(options, {"--idle-timeout", "2.5", "--sse-ping-interval=20"}));
  EXPECT_EQ(options.listener.connection.idle_time, 2500ms);
  EXPECT_EQ(options.listener.connection.comment_after, 20s);
  EXPECT_EQ(options.listener.connection.head_time, 10s) << "what is not told stays";
}

TEST(GatewayOptions, what_is_no_time_ends_the_program) {
  for (const char* bad : {"0", "-1", "x", "nan", "1e9"}) {
    GatewayProgramOptions options;
    EXPECT_EQ(parse(options, {"--idle-timeout", bad}), 2) << bad;
  }
}

}  // namespace
}  // namespace baton::server
