// What a prefill orders from a kvstore. Thread safety: values.
#pragma once

#include <cstdint>

#include "kvcache/prefix/page_name.h"
#include "proto/ids.h"

namespace baton::kvcache {

// One order to look up or read, named by whoever gives it.
struct StoreOrder {
  JobId job;
  uint64_t serial = 0;  // no two orders of a process have the same
  friend bool operator==(const StoreOrder&, const StoreOrder&) = default;
};

struct KeptPage {  // a complete page of the pool
  PageName name;
  PageId page;
  uint32_t depth = 0;  // pages before it in its prompt
};

}  // namespace baton::kvcache
