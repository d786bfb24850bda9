#include "parallel/balance/placement.h"

#include <algorithm>
#include <numeric>

namespace baton::parallel {

namespace {

// Where each of n items went: to the `place`-th place of a pack.
struct Packing {
  std::vector<uint32_t> pack;   // [n]
  std::vector<uint32_t> place;  // [n]
};

// Heaviest first, each onto the lightest pack that has room (n / packs items each). One item a pack
// needs no weighing: they stay in order.
Packing pack_evenly(std::span<const float> weights, uint32_t packs) {
  const auto count = static_cast<uint32_t>(weights.size());
  const uint32_t room = count / packs;
  Packing packing{std::vector<uint32_t>(count), std::vector<uint32_t>(count, 0)};
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  if (room == 1) {
    packing.pack = order;
    return packing;
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return weights[a] > weights[b]; });
  std::vector<float> load(packs, 0.0f);
  std::vector<uint32_t> items(packs, 0);
  for (const uint32_t item : order) {
    uint32_t lightest = packs;
    for (uint32_t pack = 0; pack < packs; ++pack) {
      if (items[pack] == room) continue;
      if (lightest == packs || load[pack] < load[lightest]) lightest = pack;
    }
    packing.pack[item] = lightest;
    packing.place[item] = items[lightest]++;
    load[lightest] += weights[item];
  }
  return packing;
}

// The expert of each replica: all experts in order, then one more of the heaviest, slot by slot.
struct Replicas {
  std::vector<uint32_t> expert;  // [slots]
  std::vector<float> load;       // [slots], the share of that replica
};

Replicas replicate(std::span<const float> loads, uint32_t slots) {
  const auto experts = static_cast<uint32_t>(loads.size());
  std::vector<float> share(loads.begin(), loads.end());
  std::vector<uint32_t> copies(experts, 1);
  Replicas replicas;
  replicas.expert.resize(experts);
  std::iota(replicas.expert.begin(), replicas.expert.end(), 0u);
  for (uint32_t slot = experts; slot < slots; ++slot) {
    const auto heaviest =
        static_cast<uint32_t>(std::max_element(share.begin(), share.end()) - share.begin());
    replicas.expert.push_back(heaviest);
    ++copies[heaviest];
    share[heaviest] = loads[heaviest] / static_cast<float>(copies[heaviest]);
  }
  for (const uint32_t expert : replicas.expert) replicas.load.push_back(share[expert]);
  return replicas;
}

// The experts in the order of the hosts: each host's groups together. [experts]
std::vector<uint32_t> experts_by_host(std::span<const float> loads, uint32_t groups,
                                      uint32_t hosts) {
  const auto experts = static_cast<uint32_t>(loads.size());
  const uint32_t group_size = experts / groups;
  std::vector<float> group_loads(groups);
  for (uint32_t group = 0; group < groups; ++group) {
    const auto members = loads.subspan(size_t{group} * group_size, group_size);
    group_loads[group] = std::accumulate(members.begin(), members.end(), 0.0f);
  }
  const Packing packing = pack_evenly(group_loads, hosts);
  std::vector<uint32_t> ordered(experts);
  for (uint32_t expert = 0; expert < experts; ++expert) {
    const uint32_t group = expert / group_size;
    const uint32_t at = packing.pack[group] * (groups / hosts) + packing.place[group];
    ordered[size_t{at} * group_size + expert % group_size] = expert;
  }
  return ordered;
}

void check_shape(const PlacementShape& shape) {
  check(shape.experts > 0 && shape.groups > 0 && shape.hosts > 0 && shape.ranks > 0 &&
            shape.slots >= shape.experts && shape.slots % shape.ranks == 0 &&
            shape.ranks % shape.hosts == 0,
        "a placement has a slot for every expert, ranks alike and hosts alike");
}

}  // namespace

ExpertPlacement::ExpertPlacement(std::vector<uint32_t> expert_of, uint32_t experts, uint32_t ranks,
                                 uint64_t epoch)
    : slots_per_rank_(ranks == 0 ? 0 : static_cast<uint32_t>(expert_of.size()) / ranks),
      epoch_(epoch),
      expert_of_(std::move(expert_of)),
      first_slot_(experts + 1, 0),
      slots_by_expert_(expert_of_.size()) {
  check(slots_per_rank_ > 0 && expert_of_.size() % ranks == 0,
        "every rank of a placement has the same number of slots");
  for (const uint32_t expert : expert_of_) {
    check(expert < experts, "a slot holds an expert of the model");
    ++first_slot_[expert + 1];
  }
  for (uint32_t expert = 0; expert < experts; ++expert) {
    check(first_slot_[expert + 1] > 0, "every expert has a slot");
    first_slot_[expert + 1] += first_slot_[expert];
  }
  std::vector<uint32_t> next(first_slot_.begin(), first_slot_.end() - 1);
  for (uint32_t slot = 0; slot < expert_of_.size(); ++slot) {
    slots_by_expert_[next[expert_of_[slot]]++] = slot;
  }
}

ExpertPlacement ExpertPlacement::with_epoch(uint64_t epoch) const {
  ExpertPlacement placement = *this;
  placement.epoch_ = epoch;
  return placement;
}

PlacementShape placement_shape(const Layout& layout, const ModelShape& model) {
  return {.experts = layout.logical_experts(model.routed_experts),
          .groups = model.expert_groups,
          .slots = layout.slots(model.routed_experts),
          .hosts = layout.hosts(),
          .ranks = layout.ranks(),
          .last_load = layout.shared == SharedExpert::routed
                           ? static_cast<float>(model.routed_experts) /
                                 static_cast<float>(model.experts_per_token)
                           : 1.0f};
}

ExpertPlacement first_placement(const PlacementShape& shape) {
  check_shape(shape);
  const uint32_t hosts = shape.hierarchical() ? shape.hosts : 1;
  const uint32_t host_experts = shape.experts / hosts;
  std::vector<float> loads(host_experts, 1.0f);
  if (hosts == 1) loads.back() = shape.last_load;
  const Replicas replicas = replicate(loads, shape.slots / hosts);
  std::vector<uint32_t> expert_of;
  for (uint32_t first = 0; first < shape.experts; first += host_experts) {
    for (const uint32_t expert : replicas.expert) expert_of.push_back(first + expert);
  }
  return ExpertPlacement(std::move(expert_of), shape.experts, shape.ranks);
}

ExpertPlacement rebalance(std::span<const float> loads, const PlacementShape& shape) {
  check_shape(shape);
  check(loads.size() == shape.experts, "every expert has a load");
  check(std::all_of(loads.begin(), loads.end(), [](float load) { return load >= 0; }),
        "a load is a number and not negative");
  const std::vector<float> equal(shape.experts, 1.0f);
  if (std::all_of(loads.begin(), loads.end(), [](float load) { return load == 0; })) {
    loads = equal;
  }
  const uint32_t groups = shape.hierarchical() ? shape.groups : 1;
  const uint32_t hosts = shape.hierarchical() ? shape.hosts : 1;
  const uint32_t host_experts = shape.experts / hosts;
  const uint32_t host_slots = shape.slots / hosts;
  const uint32_t rank_slots = shape.slots / shape.ranks;
  const std::vector<uint32_t> ordered = experts_by_host(loads, groups, hosts);

  std::vector<uint32_t> expert_of(shape.slots);
  std::vector<float> host_loads(host_experts);
  for (uint32_t host = 0; host < hosts; ++host) {
    const auto members = std::span(ordered).subspan(size_t{host} * host_experts, host_experts);
    std::transform(members.begin(), members.end(), host_loads.begin(),
                   [&](uint32_t expert) { return loads[expert]; });
    const Replicas replicas = replicate(host_loads, host_slots);
    const Packing packing = pack_evenly(replicas.load, shape.ranks / hosts);
    for (uint32_t i = 0; i < host_slots; ++i) {
      const uint32_t slot = host * host_slots + packing.pack[i] * rank_slots + packing.place[i];
      expert_of[slot] = members[replicas.expert[i]];
    }
  }
  return ExpertPlacement(std::move(expert_of), shape.experts, shape.ranks);
}

ExpertPlacement rearrange(const ExpertPlacement& active, std::span<const float> loads,
                          uint32_t hosts) {
  check(loads.size() == active.experts() && active.ranks() % hosts == 0,
        "every expert has a load, and hosts are alike");
  const uint32_t host_slots = active.slots() / hosts;
  std::vector<uint32_t> expert_of(active.slots());
  std::vector<float> shares(host_slots);
  for (uint32_t first = 0; first < active.slots(); first += host_slots) {
    for (uint32_t i = 0; i < host_slots; ++i) {
      const uint32_t expert = active.expert_of(first + i);
      shares[i] = loads[expert] / static_cast<float>(active.replicas_of(expert));
    }
    const Packing packing = pack_evenly(shares, active.ranks() / hosts);
    for (uint32_t i = 0; i < host_slots; ++i) {
      expert_of[first + packing.pack[i] * active.slots_per_rank() + packing.place[i]] =
          active.expert_of(first + i);
    }
  }
  return ExpertPlacement(std::move(expert_of), active.experts(), active.ranks());
}

}  // namespace baton::parallel
