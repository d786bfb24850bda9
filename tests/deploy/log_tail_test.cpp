#include "deploy/log_tail.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace baton::deploy {
namespace {

class LogTailTest : public ::testing::Test {
 protected:
  void append(const std::string& text) { std::ofstream(file_, std::ios::app) << text; }

  testing::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "x.log";
};

TEST_F(LogTailTest, CopiesWhatIsNewOnce) {
  LogTail tail(file_, true);
  ::testing::internal::CaptureStderr();
  tail.follow();
  append("one\n");
  tail.follow();
  tail.follow();
  append("two\n");
  tail.follow();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "one\ntwo\n");
  EXPECT_EQ(tail.text(), "one\ntwo\n");
}

TEST_F(LogTailTest, AnEarlierLifesWordsAreNotThisOnes) {
  append("baton-decode: the reason of the first life\n");
  LogTail tail(file_, false);
  append("second\n");
  tail.follow();
  EXPECT_EQ(tail.text(), "second\n");
}

TEST_F(LogTailTest, KeepsTheEndOfALongLogAndEmptiesItsOwn) {
  LogTail quiet(file_, false);
  LogTail loud(file_, true);
  append(std::string(17 << 20, 'x') + "the end");
  quiet.follow();
  EXPECT_EQ(quiet.text().size(), 8192u);
  EXPECT_TRUE(quiet.text().ends_with("xthe end"));
  ::testing::internal::CaptureStderr();
  loud.follow();
  EXPECT_EQ(std::filesystem::file_size(file_), 0u);
  append("more");
  loud.follow();
  EXPECT_TRUE(::testing::internal::GetCapturedStderr().ends_with("the endmore"));
  EXPECT_TRUE(loud.text().ends_with("the endmore"));
}

}  // namespace
}  // namespace baton::deploy
