#include "kvcache/store/record.h"

#include <gtest/gtest.h>

#include "tests/kvcache/store/pages.h"

namespace baton::kvcache {
namespace {

TEST(Record, IsReadBackWhereItLiesAndNowhereElse) {
  const RecordHeader header{7, 1024, name_of(3), 5, 700, {11, 12}};
  const auto bytes = encode(header);
  EXPECT_EQ(decode_record(bytes, 7, 1024), header);
  EXPECT_EQ(decode_record(bytes, 8, 1024), std::nullopt);
  EXPECT_EQ(decode_record(bytes, 7, 1536), std::nullopt);
}

TEST(Record, AnyFlippedBitIsFound) {
  const auto bytes = encode(RecordHeader{7, 1024, name_of(3), 5, 700, {11, 12}});
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto flipped = bytes;
    flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_EQ(decode_record(flipped, 7, 1024), std::nullopt) << bit;
  }
}

TEST(Record, TakesWholeMultiplesOf512) {
  EXPECT_EQ(record_bytes(1), 512u);
  EXPECT_EQ(record_bytes(512 - RecordHeader::kBytes), 512u);
  EXPECT_EQ(record_bytes(513 - RecordHeader::kBytes), 1024u);
}

}  // namespace
}  // namespace baton::kvcache
