#include "base/hash/crc32c.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace baton {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// RFC 3720, B.4.
TEST(Crc32c, AgreesWithThePublishedExamples) {
  EXPECT_EQ(crc32c(bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0})), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, GoesOnWhereItStopped) {
  EXPECT_EQ(crc32c(bytes("6789"), crc32c(bytes("12345"))), 0xe3069283u);
}

TEST(Crc32c, TheCopyingFormCopiesAndAgreesForEveryLengthAndAlignment) {
  std::vector<std::byte> from(300);
  for (size_t i = 0; i < from.size(); ++i) from[i] = std::byte(i * 37 + 11);
  for (size_t offset = 0; offset < 9; ++offset) {
    for (size_t length = 0; length < 130; ++length) {
      std::vector<std::byte> to(length);
      const auto part = std::span(from).subspan(offset, length);
      EXPECT_EQ(copy_with_crc32c(to, part), crc32c(part));
      EXPECT_TRUE(std::ranges::equal(to, part));
    }
  }
}

TEST(Crc32c, OneFlippedBitIsSeen) {
  std::vector<std::byte> data(64, std::byte{7});
  const uint32_t before = crc32c(data);
  for (size_t bit = 0; bit < 64 * 8; ++bit) {
    data[bit / 8] ^= std::byte(1 << (bit % 8));
    EXPECT_NE(crc32c(data), before);
    data[bit / 8] ^= std::byte(1 << (bit % 8));
  }
}

}  // namespace
}  // namespace baton
