#include "kvcache/landing.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace baton::kvcache
