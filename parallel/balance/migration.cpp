#include "parallel/balance/migration.h"

#include <algorithm>
#include <compare>
#include <iterator>

namespace baton::parallel {

namespace {

bool same_shape(const ExpertPlacement& a, const ExpertPlacement& b) {
  return a.experts() == b.experts() && a.slots() == b.slots() && a.ranks() == b.ranks();
}

// The same block size for both: which block of `target` goes to each place, those that have most in
// common with the active block there first.
std::vector<uint32_t> match(std::span<const uint32_t> active, std::span<const uint32_t> target,
                            uint32_t blocks) {
  const size_t size = active.size() / blocks;
  const auto sorted = [&](std::span<const uint32_t> all) {
    std::vector<uint32_t> copy(all.begin(), all.end());
    for (auto at = copy.begin(); at != copy.end(); at += static_cast<ptrdiff_t>(size)) {
      std::sort(at, at + static_cast<ptrdiff_t>(size));
    }
    return copy;
  };
  const auto there = sorted(active), wanted = sorted(target);
  struct Pair {
    size_t apart;  // experts that they don't have in common
    bool moves;
    uint32_t place, block;
    auto operator<=>(const Pair&) const = default;
  };
  std::vector<Pair> pairs;
  std::vector<uint32_t> common;
  for (uint32_t place = 0; place < blocks; ++place) {
    for (uint32_t block = 0; block < blocks; ++block) {
      common.clear();
      const auto a = std::span(there).subspan(place * size, size);
      const auto b = std::span(wanted).subspan(block * size, size);
      std::ranges::set_intersection(a, b, std::back_inserter(common));
      if (common.empty() && place != block) continue;
      pairs.push_back({size - common.size(), place != block, place, block});
    }
  }
  std::ranges::sort(pairs);
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> block_of(blocks, kNone);
  std::vector<bool> taken(blocks, false);
  const auto take = [&](uint32_t place, uint32_t block) {
    if (block_of[place] != kNone || taken[block]) return;
    block_of[place] = block;
    taken[block] = true;
  };
  for (const Pair& pair : pairs) take(pair.place, pair.block);
  for (uint32_t place = 0, block = 0; place < blocks; ++place) {
    if (block_of[place] != kNone) continue;
    while (taken[block]) ++block;
    take(place, block);
  }
  return block_of;
}

}  // namespace

ExpertPlacement rename_ranks(const ExpertPlacement& active, const ExpertPlacement& target,
                             uint32_t hosts) {
  check(same_shape(active, target) && active.ranks() % hosts == 0,
        "placements of one layer have one shape, and hosts are alike");
  const size_t host_slots = target.slots() / hosts;
  const uint32_t host_ranks = target.ranks() / hosts;
  const auto was = active.physical_to_logical();
  const auto wanted = target.physical_to_logical();
  const auto host_of = match(was, wanted, hosts);
  std::vector<uint32_t> expert_of;
  for (uint32_t host = 0; host < hosts; ++host) {
    const auto there = was.subspan(host * host_slots, host_slots);
    const auto coming = wanted.subspan(host_of[host] * host_slots, host_slots);
    for (const uint32_t rank : match(there, coming, host_ranks)) {
      const auto experts = coming.subspan(rank * target.slots_per_rank(), target.slots_per_rank());
      expert_of.insert(expert_of.end(), experts.begin(), experts.end());
    }
  }
  return ExpertPlacement(std::move(expert_of), target.experts(), target.ranks(), target.epoch());
}

ExpertPlacement keep_in_place(const ExpertPlacement& active, const ExpertPlacement& target) {
  check(same_shape(active, target), "placements of one layer have one shape");
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> expert_of(target.slots(), kNone);
  std::vector<uint32_t> coming;
  for (uint32_t rank = 0; rank < target.ranks(); ++rank) {
    const auto wanted = target.experts_on(rank);
    coming.assign(wanted.begin(), wanted.end());
    const uint32_t first = rank * target.slots_per_rank();
    for (uint32_t slot = first; slot < first + target.slots_per_rank(); ++slot) {
      const auto stays = std::find(coming.begin(), coming.end(), active.expert_of(slot));
      if (stays == coming.end()) continue;
      expert_of[slot] = *stays;
      coming.erase(stays);
    }
    auto next = coming.begin();
    for (uint32_t slot = first; slot < first + target.slots_per_rank(); ++slot) {
      if (expert_of[slot] == kNone) expert_of[slot] = *next++;
    }
  }
  return ExpertPlacement(std::move(expert_of), target.experts(), target.ranks(), target.epoch());
}

Migration::Migration(uint32_t layer, const ExpertPlacement& active, ExpertPlacement target,
                     uint32_t moves_max)
    : layer_(layer),
      target_(std::move(target)),
      moves_max_(moves_max),
      arriving_(target_.ranks(), 0) {
  check(moves_max_ > 0, "a migration that may move nothing never ends");
  check(same_shape(active, target_), "placements of one layer have one shape");
  check(target_.epoch() > active.epoch(), "epochs grow");
  for (uint32_t slot = 0; slot < target_.slots(); ++slot) {
    const uint32_t expert = target_.expert_of(slot);
    if (active.expert_of(slot) == expert) continue;
    pending_.push_back({{.layer = layer_, .slot = slot, .expert = expert, .epoch = target_.epoch()},
                        State::waiting});
  }
  left_ = pending_.size();
}

std::span<const SlotMove> Migration::begin() {
  begun_.clear();
  for (Pending& pending : pending_) {
    uint32_t& arriving = arriving_[target_.rank_of(pending.move.slot)];
    if (pending.state != State::waiting || arriving == moves_max_) continue;
    pending.state = State::loading;
    ++arriving;
    begun_.push_back(pending.move);
  }
  return begun_;
}

bool Migration::loaded(const SlotMove& move) {
  for (Pending& pending : pending_) {
    if (pending.state != State::loading || pending.move != move) continue;
    pending.state = State::loaded;
    --arriving_[target_.rank_of(move.slot)];
    --left_;
    return true;
  }
  return false;
}

}  // namespace baton::parallel
