#include "kvcache/prefix/eviction.h"

#include <bit>
#include <utility>

#include "base/result.h"

namespace baton::kvcache {
namespace {

// log2(x) in sixteenths, straight lines between powers of two; x > 0.
int64_t log2_sixteenths(uint64_t x) {
  const int power = std::bit_width(x) - 1;
  const uint64_t rest = x - (uint64_t{1} << power);
  return 16 * power + static_cast<int64_t>((rest << 4) >> power);
}

// The weights of credit and debit, in mean reuse times: 3/2 for each doubling of the uses, 3/20 for
// each doubling of the depth. Between a half and the double of these the curve hardly moves.
constexpr int64_t kCreditTwentieths = 30;
constexpr int64_t kDebitTwentieths = 3;

}  // namespace

std::string_view to_string(Eviction eviction) {
  switch (eviction) {
    case Eviction::lru:
      return "lru";
    case Eviction::lfu:
      return "lfu";
    case Eviction::credit:
      break;
  }
  return "credit";
}

Worth EvictionPolicy::worth(const PageUse& use) const {
  const auto last = static_cast<int64_t>(use.last);
  switch (kind_) {
    case Eviction::lru:
      return {0, use.last};
    case Eviction::lfu:
      return {use.hits, use.last};
    case Eviction::credit:
      break;
  }
  const int64_t credit = kCreditTwentieths * log2_sixteenths(uint64_t{use.hits} + 1) -
                         kDebitTwentieths * log2_sixteenths(uint64_t{use.depth} + 1);
  return {16 * 20 * last + static_cast<int64_t>(mean_reuse()) * credit, use.last};
}

void VictimHeap::rate(uint32_t page, Worth worth) {
  check(!contains(page), "a page that may be evicted is rated anew");
  worth_[page] = worth;
}

void VictimHeap::push(uint32_t page) {
  check(!contains(page), "a page is to be evicted twice");
  at_[page] = static_cast<uint32_t>(heap_.size());
  heap_.push_back(page);
  up(at_[page]);
}

void VictimHeap::remove(uint32_t page) {
  if (!contains(page)) return;
  const uint32_t at = at_[page];
  swap(at, static_cast<uint32_t>(heap_.size()) - 1);
  heap_.pop_back();
  at_[page] = kNowhere;
  if (at == heap_.size()) return;
  up(at);
  down(at);
}

std::optional<uint32_t> VictimHeap::least() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front();
}

size_t VictimHeap::bytes() const {
  return (heap_.capacity() + at_.capacity()) * sizeof(uint32_t) + worth_.capacity() * sizeof(Worth);
}

void VictimHeap::swap(uint32_t a, uint32_t b) {
  std::swap(heap_[a], heap_[b]);
  at_[heap_[a]] = a;
  at_[heap_[b]] = b;
}

void VictimHeap::up(uint32_t at) {
  for (; at > 0 && less(at, (at - 1) / 2); at = (at - 1) / 2) swap(at, (at - 1) / 2);
}

void VictimHeap::down(uint32_t at) {
  const auto size = static_cast<uint32_t>(heap_.size());
  for (;;) {
    uint32_t least = at;
    for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < size; ++child)
      if (less(child, least)) least = child;
    if (least == at) return;
    swap(at, least);
    at = least;
  }
}

}  // namespace baton::kvcache
