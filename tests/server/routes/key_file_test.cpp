#include "server/routes/key_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace baton::server {
namespace {

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

TEST(KeyFile, notices_that_its_file_was_replaced) {
  testing::TemporaryFolder folder;
  const auto file = folder / "keys";
  write(file, "first\n");
  KeyFile keys(file, "");
  EXPECT_TRUE(keys.load()->allows("first"));
  EXPECT_FALSE(keys.changed());
  write(folder / "new", "second key\nthird\n");
  std::filesystem::rename(folder / "new", file);
  EXPECT_TRUE(keys.changed());
  const auto loaded = keys.load();
  EXPECT_TRUE(loaded->allows("third"));
  EXPECT_FALSE(loaded->allows("first"));
  EXPECT_FALSE(keys.changed());
}

TEST(KeyFile, one_that_is_gone_or_empty_is_no_set_of_keys) {
  testing::TemporaryFolder folder;
  const auto file = folder / "keys";
  write(file, "first\n");
  KeyFile keys(file, "other");
  EXPECT_TRUE(keys.load()->allows("other"));
  std::filesystem::remove(file);
  EXPECT_TRUE(keys.changed());
  EXPECT_FALSE(keys.load());
  EXPECT_FALSE(keys.changed()) << "it is not tried again until it changes";
  write(file, "# nothing\n");
  EXPECT_FALSE(keys.load());
}

TEST(KeyFile, there_may_be_none) {
  KeyFile none("", "");
  EXPECT_TRUE(none.load()->none());
  EXPECT_FALSE(none.changed());
  KeyFile one("", "k");
  EXPECT_TRUE(one.load()->allows("k"));
}

}  // namespace
}  // namespace baton::server
