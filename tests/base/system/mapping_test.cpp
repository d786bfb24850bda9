#include "base/system/mapping.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

namespace baton {
namespace {

TEST(Mapping, ReadsAFileAndNamesAMissingOne) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "mapping_test";
  std::ofstream(path) << "latent";
  const auto mapped = Mapping::open_read(path);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(std::memcmp(mapped->bytes().data(), "latent", 6), 0);
  std::filesystem::remove(path);
  const auto missing = Mapping::open_read(path);
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find(path.string()), std::string::npos);
  EXPECT_FALSE(Mapping::open_read(::testing::TempDir()));  // a folder
}

TEST(Mapping, AnEmptyFileHasNoBytes) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "mapping_test_empty";
  std::ofstream(path).flush();
  const auto mapped = Mapping::open_read(path);
  ASSERT_TRUE(mapped);
  EXPECT_TRUE(mapped->bytes().empty());
  std::filesystem::remove(path);
}

TEST(Mapping, SharedMemoryIsSeenByWhoeverOpensItsName) {
  auto owner = Mapping::create_shared("mapping_test", 4096);
  ASSERT_TRUE(owner);
  const auto reader = Mapping::open_shared(owner->shared_name());
  ASSERT_TRUE(reader);
  owner->writable()[17] = std::byte{42};
  EXPECT_EQ(reader->bytes()[17], std::byte{42});
  EXPECT_EQ(reader->bytes().size(), 4096u);
}

TEST(Mapping, TheNameEndsWithItsOwner) {
  std::string name;
  {
    auto owner = Mapping::create_shared("mapping_test", 4096);
    ASSERT_TRUE(owner);
    name = owner->shared_name();
  }
  EXPECT_FALSE(Mapping::open_shared(name));
}

TEST(Mapping, ANameThatIsNoSharedMemoryIsRefused) {
  for (const char* name :
       {"", "/etc/passwd", "/proc/1/fd/0/../..", "/proc/x/fd/1", "/proc/1/fd/"}) {
    EXPECT_FALSE(Mapping::open_shared(name)) << name;
  }
}

TEST(MappingDeathTest, AReadOnlyMappingIsNeverWritten) {
  auto owner = Mapping::create_shared("mapping_test", 4096);
  auto reader = Mapping::open_shared(owner->shared_name());
  EXPECT_DEATH(reader->writable(), "read-only");
  auto moved = std::move(*owner);
  EXPECT_EQ(moved.writable().size(), 4096u);
}

TEST(Mapping, AnonymousMemoryIsZero) {
  auto memory = Mapping::anonymous(1 << 20);
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->bytes().back(), std::byte{0});
}

}  // namespace
}  // namespace baton
