// Metrics: this process's counters, gauges and histograms, and a copy of them that can travel.
//
// Built on prometheus-cpp: register a family once, keep the references, count without a lock.
// Workers serve no HTTP: their snapshot goes to the gateway in heartbeats, which renders them all.
// Thread safety: any thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <vector>

namespace baton {

using MetricsSnapshot = std::vector<prometheus::MetricFamily>;
using Labels = std::map<std::string, std::string>;

class Metrics {
 public:
  Metrics();

  prometheus::Counter& counter(const std::string& name, const std::string& help,
                               const Labels& labels = {});
  prometheus::Gauge& gauge(const std::string& name, const std::string& help,
                           const Labels& labels = {});
  prometheus::Histogram& histogram(const std::string& name, const std::string& help,
                                   const std::vector<double>& edges, const Labels& labels = {});

  MetricsSnapshot snapshot() const;

 private:
  std::unique_ptr<prometheus::Registry> registry_;
};

// One value that somebody else counts, as of now.
void add_counter(MetricsSnapshot& into, const std::string& name, const std::string& help,
                 double value, const Labels& labels = {});
void add_gauge(MetricsSnapshot& into, const std::string& name, const std::string& help,
               double value, const Labels& labels = {});

// Adds `from` to `into`: families of one name are joined, each metric of `from` gets `labels`.
void merge(MetricsSnapshot& into, const MetricsSnapshot& from, const Labels& labels);

// The Prometheus text exposition format.
std::string render(const MetricsSnapshot& snapshot);

}  // namespace baton
