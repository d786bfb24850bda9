#include "base/io/daemon.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

namespace baton {
namespace {

TEST(Daemon, PortsAreInTheFileWholeOrNotAtAll) {
  const auto file = std::filesystem::path(::testing::TempDir()) / "daemon_test_ports.json";
  ASSERT_TRUE(write_ports(file, {{"grpc", "127.0.0.1:1"}}));
  std::ifstream in(file);
  EXPECT_EQ(nlohmann::json::parse(in)["grpc"], "127.0.0.1:1");
  EXPECT_FALSE(std::filesystem::exists(file.string() + ".partial"));
  std::filesystem::remove(file);
  EXPECT_TRUE(write_ports("", {}));  // nobody asked
  EXPECT_FALSE(write_ports("/proc/none/ports", {}));
}

TEST(Daemon, RunsUntilItsDrainHasEnded) {
  boost::asio::io_context io;
  bool drained = false;
  boost::asio::post(io, [] { std::raise(SIGTERM); });
  run_until_drained(io, [&](const std::function<void()>& stop) {
    drained = true;
    stop();
  });
  EXPECT_TRUE(drained);
}

TEST(Daemon, AFailedStartIsOneSentenceWithTheProgramsName) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(report_failure("baton-x", fail(ErrorCode::not_found, "no model in {}", "dir")), 1);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "baton-x: no model in dir\n");
}

}  // namespace
}  // namespace baton
