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

// Bit by bit, as the polynomial says.
uint32_t slow_crc32c(std::span<const std::byte> data) {
  uint32_t crc = ~0u;
  for (const std::byte b : data) {
    crc ^= std::to_integer<uint32_t>(b);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

TEST(Crc32c, LongDataAgreeWithTheSlowForm) {
  std::vector<std::byte> data(3 * 3072 + 64);
  for (size_t i = 0; i < data.size(); ++i) data[i] = std::byte((i * 2654435761u) >> 13);
  for (const size_t length : {3071, 3072, 3073, 6143, 6144, 6155, 9216, 9280}) {
    const auto part = std::span<const std::byte>(data).first(length);
    EXPECT_EQ(crc32c(part), slow_crc32c(part)) << length;
    EXPECT_EQ(crc32c(part.subspan(1000), crc32c(part.first(1000))), slow_crc32c(part)) << length;
  }
}

TEST(Crc32c, LargeCopiesCopyAndAgreeWhereverTheyLie) {
  std::vector<std::byte> from(80'000), room(80'100);
  for (size_t i = 0; i < from.size(); ++i) from[i] = std::byte((i * 2654435761u) >> 11);
  const size_t aligned = 64 - reinterpret_cast<uintptr_t>(room.data()) % 64;
  for (const size_t length : {32'767, 32'768, 36'864, 73'728, 79'001}) {
    for (const size_t offset : {0, 1, 16}) {
      const auto part = std::span<const std::byte>(from).subspan(3, length);
      const auto to = std::span(room).subspan(aligned % 64 + offset, length);
      std::ranges::fill(to, std::byte{0});
      EXPECT_EQ(copy_with_crc32c(to, part), slow_crc32c(part)) << length << " at " << offset;
      EXPECT_TRUE(std::ranges::equal(to, part));
    }
  }
}

TEST(Crc32c, ACopyGoesOnWhereTheOneBeforeStopped) {
  std::vector<std::byte> from(3 * 12'288 + 77), to(from.size());
  for (size_t i = 0; i < from.size(); ++i) from[i] = std::byte((i * 2654435761u) >> 12);
  for (const size_t piece : {7u, 3'072u, 12'288u, 33'000u}) {
    uint32_t crc = 0;
    for (size_t at = 0; at < from.size(); at += piece) {
      const size_t bytes = std::min(piece, from.size() - at);
      crc = copy_with_crc32c(std::span(to).subspan(at, bytes),
                             std::span<const std::byte>(from).subspan(at, bytes), crc);
    }
    EXPECT_EQ(crc, slow_crc32c(from)) << piece;
    EXPECT_EQ(to, from);
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
