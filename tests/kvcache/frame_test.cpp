#include "kvcache/frame.h"

#include <gtest/gtest.h>

#include "base/hash/counter_rng.h"
#include "base/hash/crc32c.h"

namespace baton::kvcache {
namespace {

constexpr PageFormat kFormat{3, 16};
const FrameRules kInline{kFormat, false, 2 * kFormat.page_bytes()};
const FrameRules kShared{kFormat, true, 2 * kFormat.page_bytes()};

WireFrame inline_frame() { return {{{11, 22}, Epoch{3}, 2, 1, 6 * 16, 0xdeadbeef}, false, 0}; }
WireFrame shared_frame() {
  return {{{11, 22}, Epoch{3}, 2, 1, 1024, 0xdeadbeef}, true, 5 * kFormat.block_bytes()};
}
Hello hello() {
  Hello out{kFormat, 4 * kFormat.page_bytes(), {{}, 4026531836, 1000}, "/proc/77/fd/5"};
  out.host.boot_id[3] = std::byte{9};
  return out;
}

// Makes the checksum at the end right again, as a peer would that lies on purpose.
template <class Bytes>
Bytes sealed(Bytes bytes) {
  const uint32_t crc = crc32c(std::span(bytes).first(bytes.size() - 4));
  for (int i = 0; i < 4; ++i) bytes[bytes.size() - 4 + i] = static_cast<std::byte>(crc >> (8 * i));
  return bytes;
}

TEST(Frame, RoundTripsEveryField) {
  EXPECT_EQ(*decode_frame(encode(inline_frame()), kInline), inline_frame());
  EXPECT_EQ(*decode_frame(encode(shared_frame()), kShared), shared_frame());
}

TEST(Frame, IsLittleEndianWithItsMagicFirst) {
  const auto bytes = encode(inline_frame());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), 4), "BTNF");
  EXPECT_EQ(bytes[4], std::byte{1});   // version
  EXPECT_EQ(bytes[8], std::byte{11});  // session, high half
}

TEST(Frame, EveryFlippedBitIsFound) {
  const auto good = encode(inline_frame());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_FALSE(decode_frame(bad, kInline)) << "bit " << bit;
  }
}

TEST(Frame, RefusesWhatTheFormatDoesNotAllowWhateverItsChecksum) {
  const auto refused = [](WireFrame frame, const FrameRules& rules) {
    const auto result = decode_frame(encode(frame), rules);
    return !result && result.error().code == ErrorCode::corrupt;
  };
  WireFrame f = inline_frame();
  f.header.layer = 3;
  EXPECT_TRUE(refused(f, kInline));
  for (const uint32_t length : {0u, 15u, 64u * 16 + 16, 0xfffffff0u}) {
    f = inline_frame();
    f.header.length = length;
    EXPECT_TRUE(refused(f, kInline)) << length;
  }
  f = inline_frame();
  f.offset = 1;
  EXPECT_TRUE(refused(f, kInline));
  EXPECT_TRUE(refused(inline_frame(), kShared));
  EXPECT_TRUE(refused(shared_frame(), kInline));
}

TEST(Frame, RefusesOffsetsWhereNoBlockOfTheLayerLies) {
  for (const uint64_t offset :
       {uint64_t{5 * 1024 + 1}, uint64_t{4 * 1024}, uint64_t{8 * 1024}, ~uint64_t{0},
        uint64_t{0x4000000000000000} * 3, 0 - uint64_t{1024}}) {
    WireFrame f = shared_frame();
    f.offset = offset;
    EXPECT_FALSE(decode_frame(encode(f), kShared)) << offset;
  }
  WireFrame f = shared_frame();
  f.offset = 2 * 1024;
  EXPECT_TRUE(decode_frame(encode(f), kShared));
}

TEST(Frame, RefusesUnknownFlagsAndOtherVersions) {
  auto bytes = encode(inline_frame());
  bytes[6] = std::byte{2};
  EXPECT_FALSE(decode_frame(sealed(bytes), kInline));
  bytes = encode(inline_frame());
  bytes[4] = std::byte{2};
  EXPECT_EQ(decode_frame(sealed(bytes), kInline).error().code, ErrorCode::unsupported);
}

TEST(Hello, RoundTripsEveryField) {
  EXPECT_EQ(*decode_hello(encode(hello())), hello());
  Hello unshared = hello();
  unshared.shared_name.clear();
  EXPECT_EQ(*decode_hello(encode(unshared)), unshared);
  Hello longest = hello();
  longest.shared_name.assign(Hello::kNameMax, 'x');
  EXPECT_EQ(*decode_hello(encode(longest)), longest);
}

TEST(Hello, RefusesWhatContradictsItself) {
  Hello h = hello();
  h.pool_bytes += 1;
  EXPECT_FALSE(decode_hello(encode(h)));
  h.pool_bytes = 0;
  EXPECT_FALSE(decode_hello(encode(h)));
  h = hello();
  h.format.layers = 0;
  EXPECT_FALSE(decode_hello(encode(h)));
  auto bytes = encode(hello());
  bytes[6] = std::byte{0};  // a name, but no flag
  EXPECT_FALSE(decode_hello(sealed(bytes)));
  bytes = encode(hello());
  bytes[16] = std::byte{32};  // other pages
  EXPECT_EQ(decode_hello(sealed(bytes)).error().code, ErrorCode::unsupported);
  bytes = encode(hello());
  bytes[56] = std::byte{65};  // the name's length
  EXPECT_FALSE(decode_hello(sealed(bytes)));
  bytes = encode(hello());
  bytes[123] = std::byte{1};  // padding
  EXPECT_FALSE(decode_hello(sealed(bytes)));
}

TEST(HelloAnswer, RoundTripsAndCutsALongReason) {
  const HelloAnswer yes{HelloAnswer::Verdict::payload_shared, {}};
  EXPECT_EQ(*decode_answer(encode(yes)), yes);
  const HelloAnswer no{HelloAnswer::Verdict::refused, std::string(200, 'r')};
  EXPECT_EQ(decode_answer(encode(no))->reason, std::string(HelloAnswer::kReasonMax, 'r'));
}

TEST(HelloAnswer, RefusesUnknownVerdictsAndForeignBytes) {
  auto bytes = encode(HelloAnswer{});
  bytes[6] = std::byte{3};
  EXPECT_FALSE(decode_answer(sealed(bytes)));
  EXPECT_FALSE(decode_answer(encode(hello())));
}

TEST(FrameWire, NoiseDecodesToNothing) {
  SeededRandom random(1);
  for (int round = 0; round < 2000; ++round) {
    std::array<std::byte, Hello::kBytes> noise;
    for (std::byte& b : noise) b = static_cast<std::byte>(random.next());
    EXPECT_FALSE(decode_hello(noise));
    EXPECT_FALSE(decode_answer(noise));
    EXPECT_FALSE(decode_frame(std::span(noise).first<WireFrame::kBytes>(), kInline));
  }
}

}  // namespace
}  // namespace baton::kvcache
