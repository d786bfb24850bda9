// What an exchange of rows must bring, asked by all ranks of an instance at once.
#pragma once

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "base/hash/counter_rng.h"
#include "parallel/exchange/dispatch.h"

namespace baton::parallel::testing {

inline constexpr size_t kWidth =
    300;  // floats of a row: some rows make a message that MPI doesn't buffer

struct Case {
  uint32_t ranks, ranks_per_host, slots_per_rank, experts_per_row, rows_max;
};

inline float value_of(uint32_t rank, uint32_t row, size_t i) {
  return static_cast<float>(rank * 10000 + row * 10 + i);
}

// What the slot's expert makes of a row.
inline float result_of(float first, uint32_t slot) {
  return first + static_cast<float>(slot) / 1024;
}

inline std::vector<Pair> random_pairs(SeededRandom& random, uint32_t rows, const Case& c) {
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

// "" or what is wrong with one exchange of random rows.
inline std::string wrong_result(Port& port, Dispatch& dispatch, const Case& c, uint64_t seed) {
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
    if (arrived[i].slot >= c.slots_per_rank) return "a row comes to a slot that is not there";
    float row[kWidth];
    std::memcpy(row, dispatch.arrived_rows() + arrived[i].row * sizeof row, sizeof row);
    if (row[2] != row[0] + 2) return "a row does not come whole";
    results[i] = result_of(row[0], port.rank() * c.slots_per_rank + arrived[i].slot);
    dispatch.put(i, reinterpret_cast<const std::byte*>(&results[i]));
  }
  dispatch.start_combine();
  dispatch.finish_combine();
  for (size_t i = 0; i < pairs.size(); ++i) {
    float result = 0;
    std::memcpy(&result, dispatch.result(i), sizeof result);
    if (result != result_of(value_of(port.rank(), pairs[i].row, 0), pairs[i].slot)) {
      return "a pair's result is another's";
    }
  }
  return "";
}

// "" or what is wrong, over many exchanges.
inline std::string broken_dispatch(Port& port, const Case& c) {
  Dispatch dispatch(port, {.ranks_per_host = c.ranks_per_host,
                           .slots_per_rank = c.slots_per_rank,
                           .pairs_per_row = c.experts_per_row,
                           .row_bytes = kWidth * sizeof(float),
                           .result_bytes = sizeof(float)});
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    if (std::string wrong = wrong_result(port, dispatch, c, seed); !wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace baton::parallel::testing
