#include "kvcache/landing.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash/crc32c.h"

namespace baton::kvcache {
namespace {

constexpr PageFormat kFormat{2, 16};
constexpr JobId kJob{7};
constexpr SessionId kSession{1, 2};

class Land : public ::testing::Test {
 protected:
  Land() {
    receiver.open(kJob, kSession, 3, {});
    header = {kSession, receiver.pages(kJob)->front().epoch, 0, 0, 48, crc32c(bytes)};
  }
  PagePool pool{2};
  HandoffReceiver receiver{pool, kFormat, {}};
  PoolMemory memory = std::move(*PoolMemory::create_private(kFormat, 2));
  std::vector<std::byte> bytes = std::vector<std::byte>(48, std::byte{5});
  FrameHeader header;
};

TEST_F(Land, CopiesAndVerifies) {
  const Landing first = land(receiver, memory, header, bytes, {});
  EXPECT_EQ(first.verdict, FrameVerdict::admitted);
  EXPECT_EQ(first.job, kJob);
  EXPECT_EQ(first.bytes, 48u);
  EXPECT_FALSE(first.complete);
  const auto block = memory.block(receiver.page_of(header), 0);
  EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), block.begin()));
  EXPECT_EQ(block[48], std::byte{0}) << "nothing beyond the frame's length is written";
  header.layer = 1;
  EXPECT_TRUE(land(receiver, memory, header, bytes, {}).complete);
}

TEST_F(Land, SaysCorruptWhenTheBytesAreNotTheHeaders) {
  bytes[47] ^= std::byte{1};
  const Landing landing = land(receiver, memory, header, bytes, {});
  EXPECT_EQ(landing.verdict, FrameVerdict::corrupt);
  EXPECT_EQ(landing.job, kJob);
  EXPECT_EQ(landing.bytes, 0u);
  EXPECT_EQ(receiver.missing(kJob, 9).size(), 2u);
}

TEST_F(Land, WritesNothingForARefusedFrame) {
  const PageId page = receiver.page_of(header);
  header.epoch.value += 1;
  EXPECT_EQ(land(receiver, memory, header, bytes, {}).verdict, FrameVerdict::stale_epoch);
  header.epoch.value -= 1;
  receiver.abort(kJob, {});
  const Landing late = land(receiver, memory, header, bytes, {});
  EXPECT_EQ(late.verdict, FrameVerdict::unknown_session);
  EXPECT_EQ(late.job, std::nullopt);
  EXPECT_EQ(memory.block(page, 0)[0], std::byte{0});
}

TEST_F(Land, InItsPlaceABlockIsVerifiedAsItLiesThere) {
  Place place = place_of(receiver, memory, header);
  ASSERT_EQ(place.block.size(), 48u);
  std::ranges::copy(bytes, place.block.begin());
  place.block[1] = std::byte{6};
  EXPECT_EQ(land_in_place(receiver, memory, header, {}).verdict, FrameVerdict::corrupt);
  place = place_of(receiver, memory, header);
  place.block[1] = std::byte{5};
  const Landing landing = land_in_place(receiver, memory, header, {});
  EXPECT_EQ(landing.verdict, FrameVerdict::admitted);
  EXPECT_EQ(landing.bytes, 48u);
  EXPECT_FALSE(landing.digested);
}

TEST_F(Land, ARefusedFrameHasNoPlace) {
  header.page = 1;
  const Place place = place_of(receiver, memory, header);
  EXPECT_TRUE(place.block.empty());
  EXPECT_EQ(place.landing.verdict, FrameVerdict::out_of_range);
  EXPECT_EQ(place.landing.job, kJob);
  receiver.abort(kJob, {});
  EXPECT_EQ(land_in_place(receiver, memory, header, {}).verdict, FrameVerdict::unknown_session);
}

// Blocks of several pieces, of sizes that no piece divides, by either way: copied, checked,
// digested.
TEST(LandingOfLargeBlocks, DigestsWhatItVerifies) {
  for (const uint32_t entry : {1152u, 1153u, 192u, 8u}) {
    for (const bool in_place : {false, true}) {
      const PageFormat format{2, entry};
      PagePool pool{1};
      HandoffReceiver receiver{pool, format, {}};
      PoolMemory memory = std::move(*PoolMemory::create_private(format, 1));
      RunningDigests digests;
      receiver.open(kJob, kSession, 61, {});
      for (uint32_t layer = 0; layer < 2; ++layer) {
        std::vector<std::byte> bytes(size_t{61} * entry);
        for (size_t i = 0; i < bytes.size(); ++i)
          bytes[i] = static_cast<std::byte>(i * 2654435761u >> 13);
        const FrameHeader header{
            kSession, receiver.pages(kJob)->front().epoch, layer, 0, 61 * entry, crc32c(bytes)};
        if (in_place) std::ranges::copy(bytes, place_of(receiver, memory, header).block.begin());
        const Landing landing = in_place ? land_in_place(receiver, memory, header, {}, &digests)
                                         : land(receiver, memory, header, bytes, {}, &digests);
        ASSERT_EQ(landing.verdict, FrameVerdict::admitted);
        EXPECT_TRUE(landing.digested);
        EXPECT_TRUE(std::ranges::equal(bytes, memory.block(PageId{0}, layer).first(bytes.size())));
      }
      const auto begun = digests.take(kJob, PageId{0});
      ASSERT_TRUE(begun);
      EXPECT_EQ(begun->stream.finish(), page_digest(memory, PageId{0}, 61));
    }
  }
}

}  // namespace
}  // namespace baton::kvcache
