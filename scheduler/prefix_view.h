// PrefixView: which prefixes each worker keeps, as its heartbeats tell it.
//
// Names are the first 64 bits of the pages' names (kvcache/prefix): for a good guess that is name
// enough, since a wrong one costs a hit and never a byte of an answer. An instance tells changes
// from one point of its log to another; what does not join what is known is not taken, and the
// answer to the heartbeat says how far it is known, so that the instance tells it again or tells
// everything. Instances that are gone are forgotten; a scheduler that has been restarted knows
// nothing until it is told again. What is known is late if its instance has had more to tell for
// some time, or keeps pages and has never told of any.
// Invariants: at most `names_max` names an instance. Pure. Thread safety: its owner's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>

#include "base/clock.h"
#include "proto/cluster.h"

namespace baton::scheduler {

struct PrefixViewLimits {
  size_t names_max = 1 << 20;  // of an instance; what comes beyond is not known
  Duration late_after = 5s;
};

class PrefixView {
 public:
  explicit PrefixView(PrefixViewLimits limits) : limits_(limits) {}

  // What an instance says with a heartbeat; returns how far its log is known now.
  uint64_t update(const Heartbeat& heartbeat, Instant now);
  uint64_t position(Incarnation instance) const;  // how far its log is known
  void gone(Incarnation instance) { views_.erase(instance); }

  // How many of the prefix's pages the instance keeps, from the first on.
  uint32_t held(Incarnation instance, std::span<const uint64_t> prefix) const;
  uint32_t size(Incarnation instance) const;
  bool late(Incarnation instance, Instant now) const;

 private:
  struct View {
    std::unordered_set<uint64_t> names;
    uint64_t position = 0;  // of its log
    bool told = false;      // at least once
    std::optional<Instant> behind_since;
  };
  void take(View& view, const PrefixChanges& changes);

  PrefixViewLimits limits_;
  std::map<Incarnation, View> views_;  // of instances that keep prefixes

  friend std::optional<std::string> broken_invariant(const PrefixView& view);
};

std::optional<std::string> broken_invariant(const PrefixView& view);

}  // namespace baton::scheduler
