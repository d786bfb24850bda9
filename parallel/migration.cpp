#include "parallel/migration.h"

#include <algorithm>

namespace baton::parallel {

namespace {

bool same_shape(const ExpertPlacement& a, const ExpertPlacement& b) {
  return a.experts() == b.experts() && a.slots() == b.slots() && a.ranks() == b.ranks();
}

bool same_slots(const ExpertPlacement& a, const ExpertPlacement& b) {
  return std::ranges::equal(a.physical_to_logical(), b.physical_to_logical());
}

}  // namespace

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

Migration::Migration(const Topology& topology, std::vector<ExpertPlacement> active,
                     uint32_t moves_max)
    : topology_(topology), active_(std::move(active)), moves_max_(moves_max) {
  check(moves_max_ > 0, "a migration that may move nothing never ends");
  for (const ExpertPlacement& placement : active_) {
    check(placement.ranks() == topology_.ranks() && same_shape(placement, active_[0]),
          "the placements of an instance's layers have one shape, with its ranks");
    epoch_ = std::max(epoch_, placement.epoch());
  }
  cursor_ = layers();
  arriving_.assign(topology_.ranks(), 0);
  leaving_.assign(topology_.ranks(), 0);
  if (active_.empty()) return;
  pending_.reserve(active_[0].slots());
  moves_.reserve(active_[0].slots());
}

void Migration::aim(std::vector<ExpertPlacement> targets) {
  check(targets.size() == active_.size(), "there is a target for each layer");
  for (size_t layer = 0; layer < targets.size(); ++layer) {
    check(same_shape(targets[layer], active_[layer]), "placements of one layer have one shape");
  }
  targets_ = std::move(targets);
  cursor_ = 0;
}

void Migration::stop() {
  targets_.clear();
  cursor_ = layers();
  next_.reset();
  pending_.clear();
  left_ = 0;
  arriving_.assign(arriving_.size(), 0);
  leaving_.assign(leaving_.size(), 0);
}

std::optional<uint32_t> Migration::moving() const {
  return next_ ? std::optional(layer_) : std::nullopt;
}

Migration::Actions Migration::step() {
  Actions actions;
  moves_.clear();
  if (next_ && left_ == 0) {
    active_[layer_] = std::move(*next_);
    next_.reset();
    actions.switched = layer_;
  }
  if (!next_) begin_next_layer();
  if (next_) give_out();
  actions.moves = moves_;
  return actions;
}

void Migration::begin_next_layer() {
  while (cursor_ < layers()) {
    layer_ = cursor_++;
    const ExpertPlacement& active = active_[layer_];
    ExpertPlacement target = keep_in_place(active, targets_[layer_]);
    if (same_slots(active, target)) continue;
    next_ = target.with_epoch(++epoch_);
    pending_.clear();
    for (uint32_t slot = 0; slot < target.slots(); ++slot) {
      if (active.expert_of(slot) == target.expert_of(slot)) continue;
      pending_.push_back(
          {.move = {
               .layer = layer_, .slot = slot, .expert = target.expert_of(slot), .epoch = epoch_}});
    }
    left_ = pending_.size();
    return;
  }
}

void Migration::give_out() {
  for (Pending& pending : pending_) {
    SlotMove& move = pending.move;
    const uint32_t rank = next_->rank_of(move.slot);
    if (pending.state != State::waiting || arriving_[rank] == moves_max_) continue;
    const auto source = source_for(move);
    if (!source) continue;
    move.from_slot = *source;
    pending.state = State::loading;
    ++arriving_[rank];
    if (const uint32_t from = next_->rank_of(*source); from != rank) ++leaving_[from];
    moves_.push_back(move);
  }
}

// The slot to read from: on the nearest rank, and among those the one with the least to send; none
// if they all have enough to send now. Going farther instead would cost the network between hosts.
std::optional<uint32_t> Migration::source_for(const SlotMove& move) const {
  const ExpertPlacement& active = active_[move.layer];
  const uint32_t rank = active.rank_of(move.slot);
  const auto distance = [&](uint32_t from) {
    return from == rank ? 0 : topology_.same_host(from, rank) ? 1 : 2;
  };
  std::optional<uint32_t> best;
  for (const uint32_t slot : active.slots_of(move.expert)) {
    const uint32_t from = active.rank_of(slot);
    const uint32_t chosen = best ? active.rank_of(*best) : from;
    if (!best || distance(from) < distance(chosen) ||
        (distance(from) == distance(chosen) && leaving_[from] < leaving_[chosen])) {
      best = slot;
    }
  }
  const uint32_t from = active.rank_of(*best);
  if (from != rank && leaving_[from] >= moves_max_) return std::nullopt;
  return best;
}

Migration::Pending* Migration::loading(const SlotMove& move) {
  if (!next_ || move.epoch != next_->epoch()) return nullptr;
  for (Pending& pending : pending_) {
    if (pending.state == State::loading && pending.move == move) return &pending;
  }
  return nullptr;
}

void Migration::release(const SlotMove& move) {
  const uint32_t rank = next_->rank_of(move.slot);
  --arriving_[rank];
  if (const uint32_t from = next_->rank_of(move.from_slot); from != rank) --leaving_[from];
}

bool Migration::loaded(const SlotMove& move) {
  Pending* const pending = loading(move);
  if (pending == nullptr) return false;
  release(pending->move);
  pending->state = State::loaded;
  --left_;
  return true;
}

bool Migration::failed(const SlotMove& move) {
  Pending* const pending = loading(move);
  if (pending == nullptr) return false;
  release(pending->move);
  pending->state = State::waiting;
  return true;
}

}  // namespace baton::parallel
