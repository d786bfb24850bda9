// BucketCounts: how often values came, by size: a histogram that one thread counts in, without a
// lock or an allocation. Thread safety: one object, one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/observe/metrics.h"

namespace baton {

class BucketCounts {
 public:
  // Upper edges, growing; a value equal to an edge is below it. They outlive the object.
  explicit BucketCounts(std::span<const double> edges);

  void observe(double value);
  uint64_t count() const { return count_; }
  double sum() const { return sum_; }

  void add_to(MetricsSnapshot& into, const std::string& name, const std::string& help,
              const Labels& labels = {}) const;

 private:
  std::span<const double> edges_;
  std::vector<uint64_t> counts_;  // one a bucket; the last has no edge
  uint64_t count_ = 0;
  double sum_ = 0;
};

// Edges of rows a step, as dashboards of vllm:iteration_tokens_total know them.
std::span<const double> step_row_edges();

}  // namespace baton
