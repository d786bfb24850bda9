// StoreRing: which of several kvstores keeps a page. Everybody who knows the same stores by name
// agrees, without a word between them.
//
// Consistent hashing with bounded load. Names of pages fall into slots, evenly, since they are
// SHA-256. Each slot asks for the stores in an order of its own (highest random weight: a hash of
// slot and store), and gets the first that has room: none has more than kLoadMax times its share of
// the slots. So one that joins takes slots from all and one that goes leaves them to all, and no
// slot moves between two that stay, but for the few (none with a dozen stores) that a full one had
// turned away. What is hashed is the first page of a run (orders.h), not each page: a prefix is
// asked of few stores, and a long one of several at a time. Pure. Thread safety: value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kvcache/prefix/page_name.h"

namespace baton::kvcache {

class StoreRing {
 public:
  static constexpr uint32_t kSlots = 4096;
  static constexpr double kLoadMax = 1.25;

  // Cost: stores * kSlots hashes of 8 bytes.
  explicit StoreRing(const std::vector<std::string>& stores = {});

  bool empty() const { return owners_.empty(); }
  // The index of a store in the list given; there is one.
  uint32_t owner(const PageName& head) const { return owners_[slot(head)]; }
  const std::vector<uint32_t>& owners() const { return owners_; }  // by slot

 private:
  static uint32_t slot(const PageName& name) {
    return static_cast<uint32_t>(name.short_name() % kSlots);
  }
  std::vector<uint32_t> owners_;
};

}  // namespace baton::kvcache
