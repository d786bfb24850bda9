// How many seeds a randomised test runs: what BATON_SEEDS says, for the long runs, or `usually`.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace baton::testing {

inline uint64_t seeds(uint64_t usually) {
  const char* set = std::getenv("BATON_SEEDS");
  return set ? std::strtoull(set, nullptr, 10) : usually;
}

}  // namespace baton::testing
