#include "parallel/dispatch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "base/hash/counter_rng.h"
#include "tests/parallel/ranks.h"

namespace baton::parallel {
namespace {

constexpr size_t kWidth = 3;

struct Case {
  uint32_t ranks, ranks_per_host, slots_per_rank, experts_per_row, rows_max;
};

float value_of(uint32_t rank, uint32_t row, size_t i) {
  return static_cast<float>(rank * 10000 + row * 10 + i);
}

// What the slot's expert makes of a row.
float result_of(float first, uint32_t slot) { return first + static_cast<float>(slot) / 1024; }

std::vector<Pair> random_pairs(SeededRandom& random, uint32_t rows, const Case& c) {
  std::vector<Pair> pairs;
  for (uint32_t row = 0; row < rows; ++row) {
    std::set<uint32_t> slots;
    while (slots.size() < c.experts_per_row) {
      slots.insert(static_cast<uint32_t>(random.below(c.ranks * c.slots_per_rank)));
    }
    for (const uint32_t slot : slots) pairs.push_back({row, slot});
  }
  return pairs;
}

void expect_every_result(Port& port, Dispatch& dispatch, const Case& c, uint64_t seed) {
  SeededRandom shared(seed);
  std::vector<uint32_t> sources(c.ranks);
  for (uint32_t& rows : sources) {
    rows = shared.below(3) == 0 ? 0 : static_cast<uint32_t>(shared.below(c.rows_max + 1));
  }
  SeededRandom mine(seed * 1000 + port.rank());
  const uint32_t rows = sources[port.rank()];
  const auto pairs = random_pairs(mine, rows, c);
  std::vector<float> values(rows * kWidth);
  for (uint32_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < kWidth; ++i) values[row * kWidth + i] = value_of(port.rank(), row, i);
  }
  dispatch.start(sources, reinterpret_cast<const std::byte*>(values.data()), pairs);
  dispatch.progress();
  dispatch.finish();
  const auto arrived = dispatch.arrived();
  std::vector<float> results(arrived.size());
  for (size_t i = 0; i < arrived.size(); ++i) {
    ASSERT_LT(arrived[i].slot, c.slots_per_rank);
    float row[kWidth];
    std::memcpy(row, dispatch.arrived_rows() + arrived[i].row * sizeof row, sizeof row);
    ASSERT_EQ(row[2], row[0] + 2) << "a row comes whole";
    results[i] = result_of(row[0], port.rank() * c.slots_per_rank + arrived[i].slot);
    dispatch.put(i, reinterpret_cast<const std::byte*>(&results[i]));
  }
  dispatch.start_combine();
  dispatch.finish_combine();
  for (size_t i = 0; i < pairs.size(); ++i) {
    float result = 0;
    std::memcpy(&result, dispatch.result(i), sizeof result);
    ASSERT_EQ(result, result_of(value_of(port.rank(), pairs[i].row, 0), pairs[i].slot));
  }
}

class DispatchTest : public ::testing::TestWithParam<Case> {};

TEST_P(DispatchTest, EveryPairComesBackWithItsExpertsResult) {
  const Case c = GetParam();
  testing::on_ranks(c.ranks, [&](Port& port) {
    Dispatch dispatch(port, {.ranks_per_host = c.ranks_per_host,
                             .slots_per_rank = c.slots_per_rank,
                             .pairs_per_row = c.experts_per_row,
                             .row_bytes = kWidth * sizeof(float),
                             .result_bytes = sizeof(float)});
    for (uint64_t seed = 1; seed <= 40; ++seed) expect_every_result(port, dispatch, c, seed);
  });
}

INSTANTIATE_TEST_SUITE_P(Shapes, DispatchTest,
                         ::testing::Values(Case{1, 0, 4, 2, 5}, Case{2, 0, 3, 2, 7},
                                           Case{8, 0, 1, 4, 3}, Case{8, 1, 2, 4, 6},
                                           Case{8, 2, 2, 4, 6}, Case{8, 4, 3, 6, 6},
                                           Case{12, 4, 2, 8, 9}, Case{8, 8, 2, 4, 6}),
                         [](const auto& info) {
                           const Case& c = info.param;
                           return std::to_string(c.ranks) + "_ranks_" +
                                  std::to_string(c.ranks_per_host) + "_a_host_" +
                                  std::to_string(c.slots_per_rank) + "_slots";
                         });

// A row for four experts on four ranks of one other host crosses to it once.
TEST(DispatchBytes, AHostGetsARowOnce) {
  for (const uint32_t per_host : {0u, 4u}) {
    constexpr size_t kRowBytes = 4096;
    std::vector<uint64_t> bytes(8);
    testing::on_ranks(8, [&](Port& port) {
      Dispatch dispatch(port, {.ranks_per_host = per_host,
                               .slots_per_rank = 1,
                               .pairs_per_row = 4,
                               .row_bytes = kRowBytes,
                               .result_bytes = 4});
      const std::vector<uint32_t> sources{1, 0, 0, 0, 0, 0, 0, 0};
      const std::vector<std::byte> row(port.rank() == 0 ? kRowBytes : 0);
      std::vector<Pair> pairs;
      if (port.rank() == 0) pairs = {{0, 4}, {0, 5}, {0, 6}, {0, 7}};
      dispatch.start(sources, row.data(), pairs);
      dispatch.finish();
      EXPECT_EQ(dispatch.arrived().size(), port.rank() < 4 ? 0u : 1u);
      bytes[port.rank()] = port.counts().bytes;
    });
    const uint64_t rows_from_source = bytes[0] / kRowBytes;
    EXPECT_EQ(rows_from_source, per_host == 0 ? 4u : 1u);
  }
}

}  // namespace
}  // namespace baton::parallel
