// The slow twin of the prefix cache: all blocks are searched for each victim, and a
// worth that is computed as the header of eviction.h tells it, in floating point where that is
// exact. Blocks are named by numbers; equal numbers, equal prefixes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "kvcache/prefix/eviction.h"

namespace baton::kvcache::testing {

class BruteForce {
 public:
  BruteForce(size_t pages, Eviction eviction) : pages_(pages), eviction_(eviction) {}

  // The number of blocks, from the first on, that are there; then the rest is kept as it fits.
  size_t request(const std::vector<uint64_t>& blocks) {
    size_t hits = 0;
    for (; hits < blocks.size() && all_.contains(blocks[hits]); ++hits) {
      Block& block = all_.at(blocks[hits]);
      block.in_use = true;
      mean_scaled_ += static_cast<int64_t>(clock_ - block.last) - mean_scaled_ / 1024;
      if (block.hits < 255) ++block.hits;
    }
    const size_t kept = std::min(blocks.size(), pages_);
    while (all_.size() + kept - hits > pages_) evict();
    for (size_t i = hits; i < kept; ++i) {
      Block block{i > 0 ? blocks[i - 1] : kNone, clock_, 0, i, 0, true, {}};
      if (i > 0 && all_.at(block.above).below++ == 0) block.hits = all_.at(block.above).hits;
      all_.emplace(blocks[i], block);
    }
    for (size_t i = kept; i-- > 0;) {
      Block& block = all_.at(blocks[i]);
      block.last = ++clock_;
      block.worth = worth(block);
      block.in_use = false;
    }
    return hits;
  }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};
  struct Block {
    uint64_t above, last, hits, depth, below;
    bool in_use;
    std::tuple<int64_t, uint64_t> worth;
  };

  static int64_t log2_sixteenths(uint64_t x) {
    const double power = std::floor(std::log2(static_cast<double>(x)));
    return static_cast<int64_t>(16 * power +
                                std::floor(16 * (static_cast<double>(x) / std::exp2(power) - 1)));
  }
  std::tuple<int64_t, uint64_t> worth(const Block& block) const {
    switch (eviction_) {
      case Eviction::lru:
        return {0, block.last};
      case Eviction::lfu:
        return {block.hits, block.last};
      case Eviction::credit:
        break;
    }
    const int64_t mean = mean_scaled_ / 1024;
    return {320 * static_cast<int64_t>(block.last) + mean * (30 * log2_sixteenths(block.hits + 1) -
                                                             3 * log2_sixteenths(block.depth + 1)),
            block.last};
  }

  void evict() {
    const std::pair<const uint64_t, Block>* least = nullptr;
    for (const auto& candidate : all_) {
      const Block& block = candidate.second;
      if (block.in_use || block.below > 0) continue;
      if (!least || block.worth < least->second.worth) least = &candidate;
    }
    if (least->second.above != kNone) --all_.at(least->second.above).below;
    all_.erase(least->first);
  }

  size_t pages_;
  Eviction eviction_;
  std::unordered_map<uint64_t, Block> all_;
  uint64_t clock_ = 0;
  int64_t mean_scaled_ = 0;
};

}  // namespace baton::kvcache::testing
