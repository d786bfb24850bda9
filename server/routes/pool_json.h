// pool_json: what an instance says of its pool beyond the counts, for /debug/kv. Thread safety:
// pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "proto/cluster.h"

namespace baton::server {

// Pages in flight and pinned, pages by tenant, and what has waited longest, with what is left of
// its time.
nlohmann::ordered_json pool_json(const PoolReport& pool);

}  // namespace baton::server
