// Placement: which decode and which prefill instance serve a request, and why.
//
// Decode: the least loaded (pages and count, charges included) of those where the request fits; one
// that keeps pages of the prompt may be fuller than the others by `kept_worth` times their share of
// it, since these are not sent again: so the next turn of a conversation comes back.
// Prefill: the fewest tokens to compute until this prompt is done, which is those that are queued,
// charges included, and those of the prompt that the instance is not known to keep; of those whose
// manifest agrees with the decode instance's. So a prompt comes back to where its prefix lies until
// the queue there costs more than is saved, and then to another instance, which keeps it too. Stale
// and draining instances get nothing new. Instances to avoid: a prefill never, a decode only if
// there is no other. Without a live prefill instance decode prefills itself, and the answer says
// "degraded". A full cluster says so before any prefill is spent, with a time after which, as
// measured, there will be room. A request that no instance could ever hold is not told to come
// back: it goes to the largest, which refuses it as invalid. Pure function.
#pragma once

#include <variant>

#include "scheduler/charges.h"
#include "scheduler/prefix_view.h"
#include "scheduler/registry.h"

namespace baton::scheduler {

struct PlacementLimits {
  uint32_t local_prefill_tokens = 0;  // up to that many entries decode computes itself
  double kept_worth = 0.25;           // fullness that keeping all of a prompt makes up for
  uint32_t growth_tokens = 256;       // of an answer, that decode makes room for at admission
  Duration retry_after_default = 1s;  // when nothing has been measured
  Duration retry_after_min = 100ms;
  Duration retry_after_max = 60s;
};

// What a request will need at least, as far as the scheduler can know: choices share their prompt's
// full pages, and the last token of each is never fed.
Burden burden_of(const Place& place, const PlacementLimits& limits);

// Of the prompt's entries: how many the instance is known to keep.
uint32_t kept_tokens(const PrefixView& prefixes, Incarnation instance, const Place& place);

std::variant<Placed, NotPlaced> choose(const Registry& registry, const Charges& charges,
                                       const PrefixView& prefixes, const Place& place,
                                       const PlacementLimits& limits, Instant now);

}  // namespace baton::scheduler
