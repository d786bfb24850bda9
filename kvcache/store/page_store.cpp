#include "kvcache/store/page_store.h"

#include <algorithm>

namespace baton::kvcache {

Result<PageStore> PageStore::open(const PageStoreOptions& options) {
  MemoryTier memory(options.memory_bytes);
  if (!options.disk) return PageStore(std::move(memory), std::nullopt);
  BATON_TRY(disk, DiskTier::open(*options.disk));
  return PageStore(std::move(memory), std::move(disk));
}

uint32_t PageStore::held(std::span<const PageName> names) {
  ++counts_.lookups;
  const auto end =
      std::ranges::find_if_not(names, [this](const auto& name) { return holds(name); });
  return static_cast<uint32_t>(end - names.begin());
}

std::optional<StoredPage> PageStore::get(const PageName& name) {
  auto page = memory_.get(name);
  if (page && !page->whole()) {
    ++counts_.damaged;
    memory_.erase(name);
    page.reset();
  }
  if (page) {
    ++counts_.memory_hits;
    // Else the pages used most would go with the oldest segment; one that went so comes back.
    if (disk_ && disk_->holds(name))
      disk_->touch(name);
    else if (disk_)
      disk_->put(*page);
  } else if (disk_ && (page = disk_->get(name))) {
    ++counts_.disk_hits;
    memory_.put(*page);
  } else {
    ++counts_.misses;
    return std::nullopt;
  }
  counts_.bytes_read += page->bytes().size();
  return page;
}

PutVerdict PageStore::put(const StoredPage& page) {
  if (!page.whole()) {
    ++counts_.damaged;
    return PutVerdict::refused;
  }
  if (holds(page.name)) {
    ++counts_.known;
    if (disk_) disk_->put(page);  // it may have let go of it
    return PutVerdict::known;
  }
  const bool in_memory = memory_.put(page);
  const bool on_disk = disk_ && disk_->put(page);
  if (!in_memory && !on_disk) return PutVerdict::refused;
  ++counts_.stored;
  counts_.bytes_stored += page.bytes().size();
  return PutVerdict::stored;
}

}  // namespace baton::kvcache
