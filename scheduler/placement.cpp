#include "scheduler/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace baton::scheduler {
namespace {

// What an instance bears: its reported load and what is charged to it beyond that.
struct Room {
  uint64_t pages_free = 0;
  uint64_t pages_total = 0;
  uint64_t requests = 0;
  uint64_t requests_max = 0;
  uint64_t tokens = 0;
};

Room room_of(const Instance& instance, const Charges& charges) {
  const Burden charged = charges.charged(instance.peer.incarnation);
  const Load& load = instance.load;
  const uint64_t free = uint64_t{load.pages.free} + load.pages.cached;  // cached ones give way
  return {free > charged.pages ? free - charged.pages : 0, load.pages.total,
          uint64_t{load.running} + load.waiting + charged.requests, load.running_max,
          load.queued_tokens + charged.tokens};
}

bool avoided(const Place& place, const Instance& instance) {
  return std::find(place.avoid.begin(), place.avoid.end(), instance.peer.incarnation) !=
         place.avoid.end();
}

bool usable(const Instance& instance, Role role) {
  return instance.role == role && !instance.stale && !instance.draining;
}

// How full an instance is, between 0 and 1, by whatever it has least of; in millionths.
uint64_t fullness(const Room& room) {
  const uint64_t used = room.pages_total - std::min(room.pages_free, room.pages_total);
  const uint64_t by_pages = used * 1'000'000 / std::max<uint64_t>(room.pages_total, 1);
  const uint64_t by_count = room.requests * 1'000'000 / std::max<uint64_t>(room.requests_max, 1);
  return std::max(by_pages, by_count);
}

// When, as measured, the instance that lacks least will have room.
Duration time_to_room(double pages_short, double requests_short, size_t instances,
                      const Charges& charges, const PlacementLimits& limits, Instant now) {
  const auto rate = charges.finish_rate(now);
  if (!rate) return limits.retry_after_default;
  const double share = 1.0 / static_cast<double>(std::max<size_t>(instances, 1));
  const double seconds = std::max(pages_short / std::max(rate->pages * share, 1e-9),
                                  requests_short / std::max(rate->requests * share, 1e-9));
  const double bounded =
      std::clamp(seconds, to_seconds(limits.retry_after_min), to_seconds(limits.retry_after_max));
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(bounded));
}

const Instance* choose_prefill(const Registry& registry, const Charges& charges,
                               const PrefixView& prefixes, const Place& place,
                               const Instance& decode, bool& all_full) {
  const Instance* best = nullptr;
  uint64_t best_tokens = 0;  // to compute until this prompt is done
  bool any = false;
  for (const auto& [incarnation, instance] : registry.instances()) {
    if (!usable(instance, Role::prefill) || avoided(place, instance)) continue;
    if (mismatch(instance.manifest, decode.manifest)) continue;
    any = true;
    const Room room = room_of(instance, charges);
    if (room.requests >= room.requests_max) continue;
    const uint64_t tokens =
        room.tokens + place.prompt_tokens - kept_tokens(prefixes, incarnation, place);
    if (!best || std::tie(tokens, instance.peer.name) < std::tie(best_tokens, best->peer.name)) {
      best = &instance;
      best_tokens = tokens;
    }
  }
  all_full = any && !best;
  return best;
}

struct DecodeChoice {
  const Instance* instance = nullptr;
  bool too_large = false;  // no instance has so many pages; `instance` has the most
  uint64_t fullness = 0;
  size_t usable = 0;       // instances that are there
  double pages_short = 0;  // at the one that lacks least
  double requests_short = 0;
};

// In millionths of a full instance.
uint64_t worth_of_kept(const PrefixView& prefixes, Incarnation decode, const Place& place,
                       const PlacementLimits& limits) {
  const double kept = kept_tokens(prefixes, decode, place);
  return static_cast<uint64_t>(kept * limits.kept_worth * 1e6 / std::max(place.prompt_tokens, 1u));
}

DecodeChoice choose_decode(const Registry& registry, const Charges& charges,
                           const PrefixView& prefixes, const Place& place,
                           const PlacementLimits& limits, const Burden& burden,
                           uint64_t pages_at_the_end) {
  DecodeChoice choice;
  const Instance* largest = nullptr;
  bool best_avoided = true;
  int64_t best_cost = 0;
  double least = 0;
  for (const auto& [incarnation, instance] : registry.instances()) {
    if (!usable(instance, Role::decode)) continue;
    const Room room = room_of(instance, charges);
    ++choice.usable;
    if (!largest || instance.load.pages.total > largest->load.pages.total) largest = &instance;
    const bool fits_in_the_end = pages_at_the_end <= instance.load.pages.total;
    const uint64_t pages = fits_in_the_end ? burden.pages : pages_at_the_end;
    const double pages_short =
        pages > room.pages_free ? static_cast<double>(pages - room.pages_free) : 0;
    const double requests_short = room.requests >= room.requests_max
                                      ? static_cast<double>(room.requests - room.requests_max + 1)
                                      : 0;
    if (pages_short > 0 || requests_short > 0) {
      if (choice.usable == 1 || pages_short + requests_short < least) {
        least = pages_short + requests_short;
        choice.pages_short = pages_short;
        choice.requests_short = requests_short;
      }
      continue;
    }
    const bool is_avoided = avoided(place, instance);
    const uint64_t full = fullness(room);
    const auto cost = static_cast<int64_t>(full) -
                      static_cast<int64_t>(worth_of_kept(prefixes, incarnation, place, limits));
    const bool better =
        !choice.instance || std::tie(is_avoided, cost, instance.peer.name) <
                                std::tie(best_avoided, best_cost, choice.instance->peer.name);
    if (!better) continue;
    choice.instance = &instance;
    choice.fullness = full;
    best_cost = cost;
    best_avoided = is_avoided;
  }
  choice.too_large = largest && pages_at_the_end > largest->load.pages.total;
  if (choice.too_large) choice.instance = largest;
  return choice;
}

}  // namespace

Burden burden_of(const Place& place, const PlacementLimits& limits) {
  const uint32_t entries = place.prompt_tokens > 0 ? place.prompt_tokens - 1 : 0;
  return {1,
          pages_for(uint64_t{entries} + place.known_tokens +
                    std::min(place.max_new_tokens, limits.growth_tokens)),
          entries};
}

uint32_t kept_tokens(const PrefixView& prefixes, Incarnation instance, const Place& place) {
  const uint32_t entries = place.prompt_tokens > 0 ? place.prompt_tokens - 1 : 0;
  const auto tokens = uint64_t{prefixes.held(instance, place.prefix)} * kPageTokens;
  return static_cast<uint32_t>(std::min<uint64_t>(tokens, entries));
}

std::variant<Placed, NotPlaced> choose(const Registry& registry, const Charges& charges,
                                       const PrefixView& prefixes, const Place& place,
                                       const PlacementLimits& limits, Instant now) {
  const auto refused = [&](bool full, Duration retry_after, std::string reason) {
    return NotPlaced{place.request, place.attempt, full, retry_after, std::move(reason)};
  };
  if (charges.full())
    return refused(true, limits.retry_after_default,
                   "the scheduler has as many placements as it may keep");

  const Burden burden = burden_of(place, limits);
  const uint64_t pages_at_the_end =
      pages_for(uint64_t{burden.tokens} + place.known_tokens + place.max_new_tokens);
  const DecodeChoice decode =
      choose_decode(registry, charges, prefixes, place, limits, burden, pages_at_the_end);
  if (decode.usable == 0)
    return refused(false, limits.retry_after_default, "no decode instance is there");
  if (!decode.instance)
    return refused(true,
                   time_to_room(decode.pages_short, decode.requests_short, decode.usable, charges,
                                limits, now),
                   fmt::format("none of {} decode instances has {} free pages and a place",
                               decode.usable, burden.pages));

  Placed placed{place.request, place.attempt, decode.instance->peer, std::nullopt, false, {}};
  std::string where = decode.too_large
                          ? fmt::format("no instance has {} pages, and {} has the most",
                                        pages_at_the_end, decode.instance->peer.name)
                          : fmt::format("{} is {:.1f} % full", decode.instance->peer.name,
                                        static_cast<double>(decode.fullness) / 10'000);
  const Incarnation at = decode.instance->peer.incarnation;
  if (const uint32_t kept = kept_tokens(prefixes, at, place); kept > 0)
    where += fmt::format(" and has {} of the prompt's {}", kept, place.prompt_tokens);
  if (burden.tokens <= limits.local_prefill_tokens) {
    placed.reason =
        fmt::format("{}; {} prompt tokens are few enough to prefill there", where, burden.tokens);
    return placed;
  }
  bool all_full = false;
  const Instance* prefill =
      choose_prefill(registry, charges, prefixes, place, *decode.instance, all_full);
  if (all_full)
    return refused(true, time_to_room(0, 1, decode.usable, charges, limits, now),
                   "every prefill instance has as many jobs as it may queue");
  if (!prefill) {
    placed.degraded = true;
    placed.reason = where + "; no prefill instance can be paired with it, so it prefills itself";
    return placed;
  }
  placed.prefill = prefill->peer;
  placed.reason = fmt::format("{}; {} has {} tokens queued", where, prefill->peer.name,
                              room_of(*prefill, charges).tokens);
  const Incarnation chosen = prefill->peer.incarnation;
  if (const uint32_t kept = kept_tokens(prefixes, chosen, place); kept > 0)
    placed.reason += fmt::format(" and keeps {} of the prompt's {}", kept, place.prompt_tokens);
  else if (prefixes.late(chosen, now))
    placed.reason += "; what it keeps is not known at the moment";
  return placed;
}

}  // namespace baton::scheduler
