#include "base/observe/bucket_counts.h"

#include <algorithm>
#include <array>
#include <limits>

namespace baton {

BucketCounts::BucketCounts(std::span<const double> edges)
    : edges_(edges), counts_(edges.size() + 1) {}

void BucketCounts::observe(double value) {
  const auto at = std::lower_bound(edges_.begin(), edges_.end(), value);
  ++counts_[static_cast<size_t>(at - edges_.begin())];
  ++count_;
  sum_ += value;
}

void BucketCounts::add_to(MetricsSnapshot& into, const std::string& name, const std::string& help,
                          const Labels& labels) const {
  prometheus::ClientMetric metric;
  metric.histogram.sample_count = count_;
  metric.histogram.sample_sum = sum_;
  uint64_t cumulative = 0;
  for (size_t b = 0; b < edges_.size(); ++b) {
    cumulative += counts_[b];
    metric.histogram.bucket.push_back({cumulative, edges_[b]});
  }
  metric.histogram.bucket.push_back({count_, std::numeric_limits<double>::infinity()});
  merge(into, {{name, help, prometheus::MetricType::Histogram, {std::move(metric)}}}, labels);
}

std::span<const double> step_row_edges() {
  static constexpr std::array<double, 13> kEdges = {1,   8,    16,   32,   64,   128,  256,
                                                    512, 1024, 2048, 4096, 8192, 16384};
  return kEdges;
}

}  // namespace baton
