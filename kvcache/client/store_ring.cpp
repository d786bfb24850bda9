#include "kvcache/client/store_ring.h"

#include <algorithm>
#include <cmath>

#include "base/hash/sha256.h"

namespace baton::kvcache {
namespace {

uint64_t hash_of(const std::string& name) {
  return PageName{sha256(std::as_bytes(std::span(name)))}.short_name();
}

// The finalizer of SplitMix64: each bit of the argument moves half of the result's.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

StoreRing::StoreRing(const std::vector<std::string>& stores) {
  if (stores.empty()) return;
  std::vector<uint64_t> seeds;
  for (const std::string& store : stores) seeds.push_back(hash_of(store));
  const auto room =
      static_cast<uint32_t>(std::ceil(kLoadMax * kSlots / static_cast<double>(stores.size())));
  std::vector<uint32_t> load(stores.size());
  owners_.reserve(kSlots);
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    uint32_t best = 0;
    uint64_t most = 0;
    bool any = false;
    for (uint32_t store = 0; store < stores.size(); ++store) {
      if (load[store] == room) continue;
      const uint64_t weight = mix(seeds[store] + mix(slot + 1));
      if (any && weight <= most) continue;
      any = true;
      best = store;
      most = weight;
    }
    ++load[best];
    owners_.push_back(best);
  }
}

}  // namespace baton::kvcache
