#include "base/system/file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "tests/support/temporary_folder.h"

namespace baton {
namespace {

using testing::TemporaryFolder;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

size_t files_in(const std::filesystem::path& folder) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(OutputFile, AppearsWholeUnderItsNameAtTheEnd) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x";
  std::ofstream(path) << "old";
  auto file = OutputFile::create(path, 6).value();
  ASSERT_TRUE(file.write_at(3, bytes_of("def")));
  EXPECT_EQ(text_of(path), "old");
  ASSERT_TRUE(file.write_at(0, bytes_of("abc")));
  ASSERT_TRUE(file.finish());
  EXPECT_EQ(text_of(path), "abcdef");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(OutputFile, LeavesNothingIfItIsNotFinished) {
  const TemporaryFolder folder;
  {
    auto file = OutputFile::create(folder.path() / "x", 100).value();
    ASSERT_TRUE(file.write_at(0, bytes_of("abc")));
    EXPECT_EQ(files_in(folder.path()), 1u);
  }
  EXPECT_EQ(files_in(folder.path()), 0u);
}

TEST(OutputFile, AFolderThatIsNotThereIsNamed) {
  const auto file = OutputFile::create("/nowhere/at/all", 1);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("/nowhere/at/all"), std::string::npos);
}

TEST(OutputFile, MoreThanTheDiskHoldsIsRefusedAtOnce) {
  const TemporaryFolder folder;
  const auto file = OutputFile::create(folder.path() / "x", size_t{1} << 60);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(files_in(folder.path()), 0u);
}

TEST(DirectoryLock, OneAtATime) {
  const TemporaryFolder folder;
  std::atomic<bool> released = false;
  std::thread other;
  {
    const auto lock = DirectoryLock::acquire(folder.path()).value();
    other = std::thread([&] {
      const auto mine = DirectoryLock::acquire(folder.path()).value();
      EXPECT_TRUE(released);
    });
    std::this_thread::yield();
    released = true;
  }
  other.join();
  EXPECT_EQ(files_in(folder.path()), 0u) << "a lock leaves no file";
}

TEST(DirectoryLock, AFolderThatIsNotThereIsNamed) {
  EXPECT_FALSE(DirectoryLock::acquire("/nowhere/at/all"));
}

}  // namespace
}  // namespace baton
