#include "kvcache/prefix/secret.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace baton::kvcache {
namespace {

TEST(Secret, IsDrawnAnewEachTime) {
  EXPECT_EQ(draw_secret().size(), 64u);
  EXPECT_NE(draw_secret(), draw_secret());
}

TEST(Secret, IsWhatTheFileHolds) {
  const testing::TemporaryFolder folder;
  const auto file = folder.path() / "secret";
  EXPECT_FALSE(load_secret(file));
  std::ofstream(file) << "";
  EXPECT_FALSE(load_secret(file));
  std::ofstream(file) << "a secret\n";
  EXPECT_EQ(*load_secret(file), "a secret\n");
}

}  // namespace
}  // namespace baton::kvcache
