#include "kvcache/store/wire.h"

#include <gtest/gtest.h>

#include <random>

#include "base/hash/crc32c.h"
#include "tests/kvcache/store/pages.h"

namespace baton::kvcache {
namespace {

TEST(StoreWire, MessagesAreReadBack) {
  using Kind = StoreRequest::Kind;
  for (const StoreRequest request :
       {StoreRequest{Kind::look_up, 5, 1, 0}, StoreRequest{Kind::get, 6, kNamesMax, 0},
        StoreRequest{Kind::put, 7, 0, kStoredPageBytesMax}})
    EXPECT_EQ(*decode_request(encode(request)), request);
  const PutPlace place{name_of(4), 9, {1, 2}};
  EXPECT_EQ(*decode_place(encode(place)), place);
  for (const StoreAnswer answer : {StoreAnswer{StoreAnswer::Kind::held, 1, 3, 0, {}},
                                   StoreAnswer{StoreAnswer::Kind::page, 2, 0, 77, {3, 4}},
                                   StoreAnswer{StoreAnswer::Kind::end, 3, 2, 0, {}},
                                   StoreAnswer{StoreAnswer::Kind::kept, 4, 1, 0, {}}})
    EXPECT_EQ(*decode_answer(encode(answer)), answer);
  const std::vector<PageName> names{name_of(1), name_of(2)};
  EXPECT_EQ(encode_names(names).size(), names_bytes(2));
  EXPECT_EQ(*decode_names(encode_names(names)), names);
}

TEST(StoreWire, WhatCantBeIsRefused) {
  using Kind = StoreRequest::Kind;
  for (const StoreRequest request :
       {StoreRequest{static_cast<Kind>(0), 1, 1, 0}, StoreRequest{static_cast<Kind>(4), 1, 1, 0},
        StoreRequest{Kind::look_up, 1, 0, 0}, StoreRequest{Kind::get, 1, kNamesMax + 1, 0},
        StoreRequest{Kind::get, 1, 1, 1}, StoreRequest{Kind::put, 1, 1, 1},
        StoreRequest{Kind::put, 1, 0, 0}, StoreRequest{Kind::put, 1, 0, kStoredPageBytesMax + 1}})
    EXPECT_EQ(decode_request(encode(request)).error().code, ErrorCode::corrupt);
  for (const StoreAnswer answer : {StoreAnswer{static_cast<StoreAnswer::Kind>(9), 1, 0, 0, {}},
                                   StoreAnswer{StoreAnswer::Kind::page, 1, 0, 0, {}},
                                   StoreAnswer{StoreAnswer::Kind::held, 1, 0, 3, {}},
                                   StoreAnswer{StoreAnswer::Kind::end, 1, kNamesMax + 1, 0, {}}})
    EXPECT_EQ(decode_answer(encode(answer)).error().code, ErrorCode::corrupt);
  EXPECT_FALSE(decode_names({}).has_value());
}

TEST(StoreWire, AnyFlippedBitIsFound) {
  const auto each = [](auto bytes, const auto& decodes) {
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      auto flipped = bytes;
      flipped[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
      EXPECT_FALSE(decodes(flipped)) << bit;
    }
  };
  each(encode(StoreRequest{StoreRequest::Kind::get, 6, 3, 0}),
       [](const auto& b) { return decode_request(b).has_value(); });
  each(encode(StoreAnswer{StoreAnswer::Kind::page, 2, 0, 77, {3, 4}}),
       [](const auto& b) { return decode_answer(b).has_value(); });
  each(encode(PutPlace{name_of(4), 9, {1, 2}}),
       [](const auto& b) { return decode_place(b).has_value(); });
  const std::vector<PageName> names{name_of(1), name_of(2)};
  each(encode_names(names), [](const auto& b) { return decode_names(b).has_value(); });
}

// Any bytes behind a right beginning, with a right checksum.
TEST(StoreWire, WhatDecodesEncodesToTheSameBytes) {
  std::mt19937 random(7);
  uint32_t decoded = 0;
  const auto fill = [&](auto bytes) {
    for (size_t i = 6; i < bytes.size() - 4; ++i)
      bytes[i] = static_cast<std::byte>(random() % 3 == 0 ? random() : random() % 5);
    for (size_t i = 7; i < bytes.size() - 4; i += 1 + random() % 2) bytes[i] = std::byte{0};
    const uint32_t sum = crc32c(std::span(bytes).first(bytes.size() - 4));
    for (size_t i = 0; i < 4; ++i)
      bytes[bytes.size() - 4 + i] = static_cast<std::byte>(sum >> (8 * i));
    return bytes;
  };
  for (int round = 0; round < 20000; ++round) {
    const auto request = fill(encode(StoreRequest{}));
    if (const auto back = decode_request(request)) {
      ++decoded;
      EXPECT_EQ(encode(*back), request);
    }
    const auto answer = fill(encode(StoreAnswer{}));
    if (const auto back = decode_answer(answer)) {
      ++decoded;
      EXPECT_EQ(encode(*back), answer);
    }
  }
  EXPECT_GT(decoded, 50u);
}

}  // namespace
}  // namespace baton::kvcache
