#include "base/observe/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>

namespace baton {

Metrics::Metrics() : registry_(std::make_unique<prometheus::Registry>()) {}

prometheus::Counter& Metrics::counter(const std::string& name, const std::string& help,
                                      const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Gauge& Metrics::gauge(const std::string& name, const std::string& help,
                                  const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_).Add(labels);
}

prometheus::Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                                          const std::vector<double>& edges, const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(*registry_);
  return family.Add(labels, prometheus::Histogram::BucketBoundaries(edges));
}

MetricsSnapshot Metrics::snapshot() const { return registry_->Collect(); }

void merge(MetricsSnapshot& into, const MetricsSnapshot& from, const Labels& labels) {
  for (const auto& family : from) {
    auto same = std::find_if(into.begin(), into.end(),
                             [&](const auto& other) { return other.name == family.name; });
    if (same == into.end()) {
      into.push_back({family.name, family.help, family.type, {}});
      same = std::prev(into.end());
    }
    for (auto metric : family.metric) {
      for (const auto& [name, value] : labels) metric.label.push_back({name, value});
      same->metric.push_back(std::move(metric));
    }
  }
}

std::string render(const MetricsSnapshot& snapshot) {
  return prometheus::TextSerializer().Serialize(snapshot);
}

}  // namespace baton
