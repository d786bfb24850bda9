// HandoffFigures: how the hand-offs of a prefill instance went, under the names that dashboards of
// disaggregated servers know (SGLang's, with our prefix). Thread safety: one object, one thread.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/observe/bucket_counts.h"

namespace baton::prefill {

class HandoffFigures {
 public:
  HandoffFigures();

  // `transferred`: from the first frame posted, `exposed`: from the last entry computed, both to
  // the commit.
  void committed(uint64_t bytes, Duration transferred, Duration exposed);
  // Before decode had reserved pages for it, or after.
  void failed(bool reserved);

  void add_to(MetricsSnapshot& all) const;

 private:
  BucketCounts exposed_ms_;
  BucketCounts megabytes_;
  BucketCounts gigabytes_per_s_;
  uint64_t failed_unreserved_ = 0;
  uint64_t failed_transfers_ = 0;
};

}  // namespace baton::prefill
