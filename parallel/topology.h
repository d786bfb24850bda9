// Topology: which rank is where. rank = dp_group * tp + tp_rank, and host = rank / ranks_per_host:
// the tp ranks of a group are neighbours on one host, and a host is a run of whole groups.
//
// Hosts here are those of the layout: the machines themselves, or virtual ones on one machine.
// Thread safety: a value, immutable.
#pragma once

#include <cstdint>
#include <ranges>

#include "parallel/layout.h"

namespace baton::parallel {

using RankRange = std::ranges::iota_view<uint32_t, uint32_t>;  // [first, first + size)

class Topology {
 public:
  // Of a layout that check_layout has let through.
  explicit Topology(const Layout& layout);

  uint32_t ranks() const { return ranks_; }
  uint32_t tp() const { return tp_; }
  uint32_t groups() const { return ranks_ / tp_; }  // DP groups
  uint32_t hosts() const { return ranks_ / ranks_per_host_; }
  uint32_t ranks_per_host() const { return ranks_per_host_; }
  uint32_t groups_per_host() const { return ranks_per_host_ / tp_; }

  uint32_t group_of(uint32_t rank) const { return rank / tp_; }
  uint32_t tp_rank_of(uint32_t rank) const { return rank % tp_; }
  uint32_t rank_of(uint32_t group, uint32_t tp_rank) const { return group * tp_ + tp_rank; }
  uint32_t host_of(uint32_t rank) const { return rank / ranks_per_host_; }
  uint32_t host_of_group(uint32_t group) const { return host_of(rank_of(group, 0)); }
  uint32_t index_on_host(uint32_t rank) const { return rank % ranks_per_host_; }
  bool same_host(uint32_t a, uint32_t b) const { return host_of(a) == host_of(b); }

  RankRange ranks_of_group(uint32_t group) const { return run(group * tp_, tp_); }
  RankRange ranks_of_host(uint32_t host) const {
    return run(host * ranks_per_host_, ranks_per_host_);
  }
  RankRange groups_of_host(uint32_t host) const {
    return run(host * groups_per_host(), groups_per_host());
  }

 private:
  static RankRange run(uint32_t first, uint32_t count) { return {first, first + count}; }

  uint32_t tp_;
  uint32_t ranks_;
  uint32_t ranks_per_host_;
};

}  // namespace baton::parallel
