#include "base/hash/digest.h"

#include <gtest/gtest.h>

#include <vector>

namespace baton {
namespace {

TEST(Digest, PiecesGiveTheSameAsTheWhole) {
  std::vector<std::byte> data(1000);
  for (size_t i = 0; i < data.size(); ++i) data[i] = std::byte(i);
  DigestStream stream;
  stream.update(std::span(data).first(3));
  stream.update(std::span(data).subspan(3));
  EXPECT_EQ(stream.finish(), digest(data));
  data[500] ^= std::byte{1};
  EXPECT_NE(stream.finish(), digest(data));
}

TEST(Digest, OfNothingIsTheAlgorithmsPublishedValue) {
  EXPECT_EQ(digest({}), (Digest{0x6001c324468d497fu, 0x99aa06d3014798d8u}));
}

}  // namespace
}  // namespace baton
