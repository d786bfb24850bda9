// EvictionPolicy: what a cached page is worth when room is needed; the least worth goes first.
//
// lru and lfu are the textbook's. `credit` is Baton's: the time of the last use, plus a credit for
// pages that have been used again (their conversation is likely to go on), less a debit for depth
// (the deep end of a long prompt is shared by the fewest). Time is counted in pages let go, and
// credit and debit in units of the mean time after which pages were used again so far: so neither
// the size of the cache nor the pace of the traffic has to be told. Pages of no credit still leave
// in the order of their last use, so nothing stays for ever. bench/trace shows the three curves.
//
// VictimHeap: the pages that may go, by worth; a binary heap that knows where each page is.
// Pure. Thread safety: their owner's.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace baton::kvcache {

enum class Eviction : uint8_t { lru, lfu, credit };
std::string_view to_string(Eviction eviction);

struct PageUse {
  uint64_t last = 0;   // when it was let go last; unique
  uint32_t hits = 0;   // how often it was used again
  uint32_t depth = 0;  // pages before it
};

// Less is evicted earlier.
struct Worth {
  int64_t value = 0;
  uint64_t last = 0;  // breaks ties
  friend auto operator<=>(const Worth&, const Worth&) = default;
};

class EvictionPolicy {
 public:
  explicit EvictionPolicy(Eviction kind) : kind_(kind) {}
  // A page is used again, so long after it was let go.
  void reused(uint64_t after) {
    reuse_scaled_ += static_cast<int64_t>(after) - reuse_scaled_ / kSmoothing;
  }
  Worth worth(const PageUse& use) const;
  uint64_t mean_reuse() const { return static_cast<uint64_t>(reuse_scaled_ / kSmoothing); }

  static constexpr uint32_t kHitsMax = 255;

 private:
  static constexpr int64_t kSmoothing = 1024;  // uses over which the mean is taken
  Eviction kind_;
  int64_t reuse_scaled_ = 0;  // mean * kSmoothing
};

class VictimHeap {
 public:
  explicit VictimHeap(uint32_t pages) : at_(pages, kNowhere), worth_(pages) {}
  void rate(uint32_t page, Worth worth);  // while it is not in the heap
  void push(uint32_t page);               // not twice
  void remove(uint32_t page);             // if it is there
  bool contains(uint32_t page) const { return at_[page] != kNowhere; }
  std::optional<uint32_t> least() const;
  size_t size() const { return heap_.size(); }
  size_t bytes() const;

 private:
  static constexpr uint32_t kNowhere = ~uint32_t{0};
  bool less(uint32_t a, uint32_t b) const { return worth_[heap_[a]] < worth_[heap_[b]]; }
  void swap(uint32_t a, uint32_t b);
  void up(uint32_t at);
  void down(uint32_t at);

  std::vector<uint32_t> heap_;  // pages
  std::vector<uint32_t> at_;    // by page: its place in heap_
  std::vector<Worth> worth_;    // by page
};

}  // namespace baton::kvcache
