// The invariants of the cache's accounts, recounted from nothing: a sentence if one is broken.
//
// Called after each step in tests and simulation, and in idle moments of a worker; the cost is
// linear in pages and sessions. Thread safety: the owner's thread of what is looked at.
#pragma once

#include <optional>
#include <string>

#include "kvcache/handoff.h"
#include "kvcache/page_pool.h"

namespace baton::kvcache {

// Every page is counted in its state, once; the free list holds the free pages and no other; a page
// has references if and only if it is neither free nor cached.
std::optional<std::string> broken_invariant(const PagePool& pool);

// Each page of an open session is reserved or filling, under the session's epoch, with one
// reference and in no other session; a session's count of missing blocks is right; a verified block
// lies in a filling page; sessions, their ids and tombstones agree.
std::optional<std::string> broken_invariant(const PagePool& pool, const HandoffReceiver& receiver);

}  // namespace baton::kvcache
