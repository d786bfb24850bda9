// What a prefill orders from kvstores. Thread safety: values.
#pragma once

#include <cstdint>
#include <vector>

#include "kvcache/prefix/page_name.h"
#include "proto/ids.h"

namespace baton::kvcache {

// One order to look up or read, named by whoever gives it.
struct StoreOrder {
  JobId job;
  uint64_t serial = 0;  // no two orders of a process have the same
  friend bool operator==(const StoreOrder&, const StoreOrder&) = default;
};

// So many pages of a prompt that follow each other, 1024 tokens, are kept by one store: a *run*.
// The name of a run's first page says which (store_ring.h): prompts that begin the same agree about
// it.
inline constexpr uint32_t kRunPages = 16;
constexpr uint32_t head_of_run(uint32_t page) { return page / kRunPages * kRunPages; }

// Pages of a prompt that follow each other.
struct PromptPages {
  uint32_t first = 0;  // of them, in the prompt
  PageName head;       // of the run in which the first one lies
  std::vector<PageName> names;
  // The head of the run of the page called names[at].
  const PageName& head_of(size_t at) const {
    const auto run = head_of_run(first + static_cast<uint32_t>(at));
    return run < first ? head : names[run - first];
  }
};

struct KeptPage {  // a complete page of the pool
  PageName name;
  PageId page;
  uint32_t depth = 0;  // pages before it in its prompt
  PageName head;       // of its run
};

}  // namespace baton::kvcache
