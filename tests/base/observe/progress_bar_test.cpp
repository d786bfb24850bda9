#include "base/observe/progress_bar.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(ProgressBar, LinesComeAtEveryTenthAtMost) {
  ::testing::internal::CaptureStderr();
  {
    ProgressBar progress("packing", 1000, ProgressBar::Style::lines);
    for (int i = 0; i < 100; ++i) progress.add(10);
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  EXPECT_TRUE(text.starts_with("packing: 10 %\n")) << text;
  EXPECT_TRUE(text.ends_with("packing: 100 %\n")) << text;
}

TEST(ProgressBar, ABarIsOneLine) {
  ::testing::internal::CaptureStderr();
  {
    ProgressBar progress("packing", 4, ProgressBar::Style::bar);
    for (int i = 0; i < 4; ++i) progress.add(1);
  }
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_NE(text.find("[####################....................]  50 %"), std::string::npos);
  EXPECT_NE(text.find("] 100 % \n"), std::string::npos) << text;
}

TEST(ProgressBar, NothingIsSaidWhereNobodyAsks) {
  ::testing::internal::CaptureStderr();
  {
    ProgressBar off("packing", 4, ProgressBar::Style::off);
    off.add(4);
    ProgressBar empty("packing", 0, ProgressBar::Style::lines);
    empty.add(0);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace baton
