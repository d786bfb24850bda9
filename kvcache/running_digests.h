// RunningDigests: the digests of pages that go over the line, taken block by block on the way.
//
// A page's digest goes over its layers in turn. When a block is sent or has landed it is at hand,
// so its share is taken then; at the seal only what is left is read (finish()). Taken is what lay
// in the pool at that time: the block must be final, as what is posted and what is verified are.
// Blocks come in the order of layers but for losses; one that is out of turn is left to finish().
// Invariant: what is begun for a page is the digest of its layers 0 to layers - 1, for one job.
// Bounded: beyond `pages_max` pages the oldest is dropped. It never changes a digest, only when it
// is computed. Thread safety: one executor, that of the pool's transport.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <unordered_map>

#include "kvcache/pool_memory.h"

namespace baton::kvcache {

struct BegunDigest {
  DigestStream stream;
  uint32_t layers = 0;  // that are in it, from the first
};

class RunningDigests {
 public:
  explicit RunningDigests(size_t pages_max = 4096) : pages_max_(pages_max) {}

  // The job's block of that page and layer, with as many tokens as there are. The first layer
  // begins the page anew.
  void add(JobId job, PageId page, uint32_t layer, std::span<const std::byte> block);

  // The same for whoever has the block piece by piece: what the pieces go into, nullptr if the
  // block is out of turn. Nothing else is called before end_turn(), which drops all that was begun
  // for the page unless the block is `whole` and right.
  DigestStream* turn_of(JobId job, PageId page, uint32_t layer);
  void end_turn(PageId page, bool whole);

  // What was begun for the job's page, which is forgotten here; nullptr: nothing.
  std::unique_ptr<BegunDigest> take(JobId job, PageId page);

  size_t pages() const { return by_page_.size(); }

 private:
  struct Entry {
    JobId job;
    PageId page;
    std::unique_ptr<BegunDigest> begun;
  };
  using Entries = std::list<Entry>;  // oldest first

  void begin(JobId job, PageId page);
  void drop(PageId page);

  size_t pages_max_;
  Entries entries_;
  std::unordered_map<uint32_t, Entries::iterator> by_page_;
};

// The digest of a page's first `tokens` tokens: the layers that `begun` lacks are read.
Digest finish(std::unique_ptr<BegunDigest> begun, const PoolMemory& memory, PageId page,
              uint32_t tokens);

}  // namespace baton::kvcache
