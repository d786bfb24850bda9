// CountedExchange: one layer's exchange of a whole instance, with all that it carries counted, and
// what it had to carry at least, counted from the tokens' experts alone.
//
// The ranks take turns on one thread: each step of a dispatch finds all messages of the one before,
// so nobody waits. Hosts have eight ranks here, whatever the exchange makes of it. Thread safety:
// one thread.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "parallel/balance/placement.h"
#include "parallel/exchange/dispatch.h"
#include "parallel/topology.h"

namespace baton::bench {

inline constexpr uint32_t kRanksPerHost = 8;

struct Way {
  uint64_t messages = 0;
  uint64_t empty = 0;  // that carry no row
  uint64_t bytes = 0;
  void operator+=(const Way& other) {
    messages += other.messages;
    empty += other.empty;
    bytes += other.bytes;
  }
};

struct Carried {
  struct Stage {
    Way inside, between;  // hosts
    Way all() const {
      Way way = inside;
      way += between;
      return way;
    }
  };
  std::array<Stage, 3> stages;  // by tag: to the ranks or hosts, on inside them, results
  uint64_t dispatched() const { return stages[0].all().bytes + stages[1].all().bytes; }
};

// Rows and pairs that the tokens' experts ask for, counted from the pairs alone.
struct Needed {
  uint64_t ranks = 0;         // distinct ranks but the own one: rows of a dispatch at least
  uint64_t far_ranks = 0;     // those on other hosts
  uint64_t hosts = 0;         // distinct hosts but the own one
  uint64_t pairs = 0;         // on other ranks: results
  uint64_t far_pairs = 0;     // on other hosts
  uint64_t passed_rows = 0;   // distinct ranks but the one that passes them on in their host
  uint64_t passed_pairs = 0;  // on them
};

class CountedExchange {
 public:
  CountedExchange(const parallel::Layout& layout, bool two_stages, size_t row_bytes);

  // Once. choices: [ranks * rows, experts a token].
  void run(const parallel::ExpertPlacement& placement, std::span<const uint32_t> choices);

  const Carried& carried() const { return carried_; }
  const Needed& needed() const { return needed_; }

 private:
  std::vector<parallel::Pair> pairs_of(const parallel::ExpertPlacement& placement, uint32_t rank,
                                       std::span<const uint32_t> experts);

  parallel::Topology topology_;
  bool two_stages_;
  uint32_t per_rank_;  // slots
  uint32_t per_row_;   // experts
  size_t row_bytes_;
  Carried carried_;
  Needed needed_;
};

}  // namespace baton::bench
