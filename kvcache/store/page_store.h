// PageStore: pages by their names, in memory and on disk.
//
// A name stands for everything that a page's bytes depend on (prefix/page_name.h: the model's
// fingerprint, the numeric mode, the shape of entries, the tenant, the tokens), so pages of several
// models lie side by side. What is put goes to both tiers, what is read from disk to memory again.
// A page is checked against its digest whenever it comes in or goes out; one that is not whole is
// dropped and counted, and was never there. Thread safety: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kvcache/store/disk_tier.h"
#include "kvcache/store/memory_tier.h"

namespace baton::kvcache {

struct PageStoreOptions {
  uint64_t memory_bytes = uint64_t{256} << 20;
  std::optional<DiskTierOptions> disk;  // none: memory only
};

struct PageStoreCounts {
  uint64_t lookups = 0;
  uint64_t memory_hits = 0;  // pages that were read from memory
  uint64_t disk_hits = 0;
  uint64_t misses = 0;  // reads of a page that was not there
  uint64_t bytes_read = 0;
  uint64_t stored = 0;  // pages
  uint64_t known = 0;   // pages that were put while they were there
  uint64_t bytes_stored = 0;
  uint64_t damaged = 0;  // in memory, or as they came; those on disk: DiskTierCounts
};

enum class PutVerdict : uint8_t { stored, known, refused };

class PageStore {
 public:
  static Result<PageStore> open(const PageStoreOptions& options);

  // How many of the names are held, from the first on.
  uint32_t held(std::span<const PageName> names);
  std::optional<StoredPage> get(const PageName& name);
  // Refused: its digest does not hold, or there is no room for it in any tier.
  PutVerdict put(const StoredPage& page);

  const MemoryTier& memory() const { return memory_; }
  const DiskTier* disk() const { return disk_ ? &*disk_ : nullptr; }
  const PageStoreCounts& counts() const { return counts_; }

 private:
  PageStore(MemoryTier memory, std::optional<DiskTier> disk)
      : memory_(std::move(memory)), disk_(std::move(disk)) {}
  bool holds(const PageName& name) const {
    return memory_.holds(name) || (disk_ && disk_->holds(name));
  }

  MemoryTier memory_;
  std::optional<DiskTier> disk_;
  PageStoreCounts counts_;
};

}  // namespace baton::kvcache
