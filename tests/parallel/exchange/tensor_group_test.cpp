#include "parallel/exchange/tensor_group.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/parallel/exchange/ranks.h"

namespace baton::parallel {
namespace {

constexpr size_t kWidth = 3;

float value_of(uint32_t rank, size_t row, size_t i) {
  return static_cast<float>(1000 * rank + 10 * row + i);
}

// Two groups at once; in each the ranks own 2, 0, 1 and 4 rows.
TEST(TensorGroup, GatherGivesEveryRankTheRowsOfAll) {
  const std::vector<uint32_t> bounds = {0, 2, 2, 3, 7};
  testing::on_ranks(8, [&](Port& port) {
    TensorGroup group(port, 4, 0);
    EXPECT_EQ(group.index(), port.rank() % 4);
    std::vector<float> rows(7 * kWidth, -1);
    for (size_t r = bounds[group.index()]; r < bounds[group.index() + 1]; ++r) {
      for (size_t i = 0; i < kWidth; ++i) rows[r * kWidth + i] = value_of(port.rank(), r, i);
    }
    group.gather(bounds, kWidth * sizeof(float), reinterpret_cast<std::byte*>(rows.data()));
    for (uint32_t t = 0; t < 4; ++t) {
      const uint32_t owner = port.rank() / 4 * 4 + t;
      for (size_t r = bounds[t]; r < bounds[t + 1]; ++r) {
        for (size_t i = 0; i < kWidth; ++i) {
          EXPECT_EQ(rows[r * kWidth + i], value_of(owner, r, i));
        }
      }
    }
  });
}

TEST(TensorGroup, ScatterGivesAnOwnerEveryRanksPartOfItsRows) {
  const std::vector<uint32_t> bounds = {0, 2, 2, 3, 7};
  testing::on_ranks(4, [&](Port& port) {
    TensorGroup group(port, 4, 5);
    std::vector<float> parts(7 * kWidth);
    for (size_t r = 0; r < 7; ++r) {
      for (size_t i = 0; i < kWidth; ++i) parts[r * kWidth + i] = value_of(port.rank(), r, i);
    }
    for (int again = 0; again < 3; ++again) {
      const auto mine = group.scatter(bounds, kWidth * sizeof(float),
                                      reinterpret_cast<const std::byte*>(parts.data()));
      ASSERT_EQ(mine.size(), 4u);
      const uint32_t first = bounds[group.index()];
      for (uint32_t t = 0; t < 4; ++t) {
        for (size_t r = first; r < bounds[group.index() + 1]; ++r) {
          float value = 0;
          std::memcpy(&value, mine[t] + (r - first) * kWidth * sizeof value, sizeof value);
          EXPECT_EQ(value, value_of(t, r, 0));
        }
      }
    }
  });
}

TEST(TensorGroup, OneRankKeepsItsRows) {
  testing::on_ranks(1, [](Port& port) {
    TensorGroup group(port, 1, 0);
    std::vector<float> rows = {1, 2};
    const std::vector<uint32_t> bounds = {0, 2};
    group.gather(bounds, sizeof(float), reinterpret_cast<std::byte*>(rows.data()));
    const auto* bytes = reinterpret_cast<const std::byte*>(rows.data());
    EXPECT_EQ(group.scatter(bounds, sizeof(float), bytes)[0], bytes);
  });
}

}  // namespace
}  // namespace baton::parallel
