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

namespace {

prometheus::MetricFamily& family_of(MetricsSnapshot& in, const std::string& name,
                                    const std::string& help, prometheus::MetricType type) {
  const auto same =
      std::find_if(in.begin(), in.end(), [&](const auto& other) { return other.name == name; });
  if (same != in.end()) return *same;
  return in.emplace_back(prometheus::MetricFamily{name, help, type, {}});
}

prometheus::ClientMetric labelled(const Labels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

}  // namespace

void add_counter(MetricsSnapshot& into, const std::string& name, const std::string& help,
                 double value, const Labels& labels) {
  auto metric = labelled(labels);
  metric.counter.value = value;
  family_of(into, name, help, prometheus::MetricType::Counter).metric.push_back(std::move(metric));
}

void add_gauge(MetricsSnapshot& into, const std::string& name, const std::string& help,
               double value, const Labels& labels) {
  auto metric = labelled(labels);
  metric.gauge.value = value;
  family_of(into, name, help, prometheus::MetricType::Gauge).metric.push_back(std::move(metric));
}

void merge(MetricsSnapshot& into, const MetricsSnapshot& from, const Labels& labels) {
  for (const auto& family : from) {
    auto& same = family_of(into, family.name, family.help, family.type);
    for (auto metric : family.metric) {
      for (const auto& [name, value] : labels) metric.label.push_back({name, value});
      same.metric.push_back(std::move(metric));
    }
  }
}

std::string render(const MetricsSnapshot& snapshot) {
  return prometheus::TextSerializer().Serialize(snapshot);
}

}  // namespace baton
