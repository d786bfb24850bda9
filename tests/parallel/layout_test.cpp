#include "parallel/layout.h"

#include <gtest/gtest.h>

namespace baton::parallel {
namespace {

TEST(Layout, ReadsItsKeysInAnyOrder) {
  const auto layout = parse_layout("dp=8,tp=4,threads=2");
  ASSERT_TRUE(layout);
  EXPECT_EQ(*layout, (Layout{.tp = 4, .dp = 8, .threads = 2}));
  EXPECT_EQ(layout->ranks(), 32u);
  EXPECT_EQ(*parse_layout(""), Layout{});
  EXPECT_EQ(*parse_layout(to_string(*layout)), *layout);
}

TEST(Layout, NamesWhatItCannotRead) {
  for (const char* text :
       {"tp", "tp=", "tp=0", "tp=-1", "tp=x", "tp=1x", "ep=4", "tp=99999999999"}) {
    const auto refused = parse_layout(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(refused.error().message.find(std::string(text).substr(0, 2)), std::string::npos);
  }
}

TEST(Layout, AShapeThatThisVersionCannotRunIsRefusedBeforeAnythingStarts) {
  EXPECT_TRUE(check_layout({.threads = 4, .instances = 3}));
  const auto refused = check_layout({.tp = 4, .dp = 80});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("320 ranks"), std::string::npos);
}

}  // namespace
}  // namespace baton::parallel
