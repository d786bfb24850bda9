#include "proto/codec_internal.h"

namespace baton::rpc {

namespace {

// Beside the functions of this unit.
using rpc::decode;
using rpc::encode;

v1::Role encode(Role from) {
  switch (from) {
    case Role::prefill:
      return v1::ROLE_PREFILL;
    case Role::decode:
      return v1::ROLE_DECODE;
    case Role::kvstore:
      return v1::ROLE_KVSTORE;
  }
  return v1::ROLE_UNSPECIFIED;
}

Role decode(v1::Role from, Fault& fault) {
  switch (from) {
    case v1::ROLE_PREFILL:
      return Role::prefill;
    case v1::ROLE_DECODE:
      return Role::decode;
    case v1::ROLE_KVSTORE:
      return Role::kvstore;
    default:
      fault.note("role", "is an unknown role");
      return Role::decode;
  }
}

void encode(const Manifest& from, v1::Manifest* to) {
  to->set_model_fingerprint(utf8(from.model_fingerprint));
  to->set_numeric_mode(utf8(from.numeric_mode));
  to->set_numeric_revision(from.numeric_revision);
  to->set_cache_layers(from.cache_layers);
  to->set_cache_entry_bytes(from.cache_entry_bytes);
  to->set_page_tokens(from.page_tokens);
  to->set_wire_version(from.wire_version);
}

Manifest decode(const v1::Manifest& from) {
  return {.model_fingerprint = from.model_fingerprint(),
          .numeric_mode = from.numeric_mode(),
          .numeric_revision = from.numeric_revision(),
          .cache_layers = from.cache_layers(),
          .cache_entry_bytes = from.cache_entry_bytes(),
          .page_tokens = from.page_tokens(),
          .wire_version = from.wire_version()};
}

void encode(const Load& from, v1::Load* to) {
  to->set_running(from.running);
  to->set_waiting(from.waiting);
  to->set_queued_tokens(from.queued_tokens);
  to->set_running_max(from.running_max);
  auto* pages = to->mutable_pages();
  pages->set_total(from.pages.total);
  pages->set_free(from.pages.free);
  pages->set_reserved(from.pages.reserved);
  pages->set_filling(from.pages.filling);
  pages->set_in_use(from.pages.in_use);
  pages->set_cached(from.pages.cached);
}

Load decode(const v1::Load& from) {
  const auto& pages = from.pages();
  return {.running = from.running(),
          .waiting = from.waiting(),
          .queued_tokens = from.queued_tokens(),
          .running_max = from.running_max(),
          .pages = {.total = pages.total(),
                    .free = pages.free(),
                    .reserved = pages.reserved(),
                    .filling = pages.filling(),
                    .in_use = pages.in_use(),
                    .cached = pages.cached()}};
}

v1::MetricType encode(prometheus::MetricType from) {
  switch (from) {
    case prometheus::MetricType::Counter:
      return v1::METRIC_TYPE_COUNTER;
    case prometheus::MetricType::Gauge:
      return v1::METRIC_TYPE_GAUGE;
    case prometheus::MetricType::Summary:
      return v1::METRIC_TYPE_SUMMARY;
    case prometheus::MetricType::Untyped:
      return v1::METRIC_TYPE_UNTYPED;
    case prometheus::MetricType::Histogram:
      return v1::METRIC_TYPE_HISTOGRAM;
  }
  return v1::METRIC_TYPE_UNSPECIFIED;
}

prometheus::MetricType decode(v1::MetricType from, Fault& fault) {
  switch (from) {
    case v1::METRIC_TYPE_COUNTER:
      return prometheus::MetricType::Counter;
    case v1::METRIC_TYPE_GAUGE:
      return prometheus::MetricType::Gauge;
    case v1::METRIC_TYPE_SUMMARY:
      return prometheus::MetricType::Summary;
    case v1::METRIC_TYPE_UNTYPED:
      return prometheus::MetricType::Untyped;
    case v1::METRIC_TYPE_HISTOGRAM:
      return prometheus::MetricType::Histogram;
    default:
      fault.note("MetricFamily.type", "is an unknown metric type");
      return prometheus::MetricType::Untyped;
  }
}

// Only the values that the family's type gives a meaning travel.
void encode(const prometheus::ClientMetric& from, prometheus::MetricType type, v1::Metric* to) {
  for (const auto& label : from.label) {
    auto* entry = to->add_labels();
    entry->set_name(utf8(label.name));
    entry->set_value(utf8(label.value));
  }
  switch (type) {
    case prometheus::MetricType::Counter:
      to->set_value(from.counter.value);
      break;
    case prometheus::MetricType::Gauge:
      to->set_value(from.gauge.value);
      break;
    case prometheus::MetricType::Untyped:
      to->set_value(from.untyped.value);
      break;
    case prometheus::MetricType::Summary:
      to->set_sample_count(from.summary.sample_count);
      to->set_sample_sum(from.summary.sample_sum);
      for (const auto& quantile : from.summary.quantile) {
        to->add_bounds(quantile.quantile);
        to->add_quantile_values(quantile.value);
      }
      break;
    case prometheus::MetricType::Histogram:
      to->set_sample_count(from.histogram.sample_count);
      to->set_sample_sum(from.histogram.sample_sum);
      for (const auto& bucket : from.histogram.bucket) {
        to->add_bounds(bucket.upper_bound);
        to->add_cumulative_counts(bucket.cumulative_count);
      }
      break;
  }
  to->set_timestamp_ms(from.timestamp_ms);
}

prometheus::ClientMetric decode(const v1::Metric& from, prometheus::MetricType type, Fault& fault) {
  prometheus::ClientMetric to;
  for (const auto& label : from.labels()) to.label.push_back({label.name(), label.value()});
  switch (type) {
    case prometheus::MetricType::Counter:
      to.counter.value = from.value();
      break;
    case prometheus::MetricType::Gauge:
      to.gauge.value = from.value();
      break;
    case prometheus::MetricType::Untyped:
      to.untyped.value = from.value();
      break;
    case prometheus::MetricType::Summary:
      to.summary.sample_count = from.sample_count();
      to.summary.sample_sum = from.sample_sum();
      if (from.quantile_values_size() != from.bounds_size()) {
        fault.note("Metric.quantile_values", "has not one value a bound");
        break;
      }
      for (int i = 0; i < from.bounds_size(); ++i)
        to.summary.quantile.push_back({from.bounds(i), from.quantile_values(i)});
      break;
    case prometheus::MetricType::Histogram:
      to.histogram.sample_count = from.sample_count();
      to.histogram.sample_sum = from.sample_sum();
      if (from.cumulative_counts_size() != from.bounds_size()) {
        fault.note("Metric.cumulative_counts", "has not one count a bound");
        break;
      }
      for (int i = 0; i < from.bounds_size(); ++i)
        to.histogram.bucket.push_back({from.cumulative_counts(i), from.bounds(i)});
      break;
  }
  to.timestamp_ms = from.timestamp_ms();
  return to;
}

void encode(const MetricsSnapshot& from, v1::MetricsSnapshot* to) {
  for (const auto& family : from) {
    auto* entry = to->add_families();
    entry->set_name(utf8(family.name));
    entry->set_help(utf8(family.help));
    entry->set_type(encode(family.type));
    for (const auto& metric : family.metric) encode(metric, family.type, entry->add_metrics());
  }
}

MetricsSnapshot decode(const v1::MetricsSnapshot& from, Fault& fault) {
  MetricsSnapshot to;
  to.reserve(from.families_size());
  for (const auto& family : from.families()) {
    auto& entry = to.emplace_back();
    entry.name = family.name();
    entry.help = family.help();
    entry.type = decode(family.type(), fault);
    entry.metric.reserve(family.metrics_size());
    for (const auto& metric : family.metrics())
      entry.metric.push_back(decode(metric, entry.type, fault));
  }
  return to;
}

void encode(const PrefixChanges& from, v1::PrefixChanges* to) {
  to->set_from(from.from);
  to->set_to(from.to);
  to->set_end(from.end);
  to->set_whole(from.whole);
  to->mutable_came()->Add(from.came.begin(), from.came.end());
  to->mutable_went()->Add(from.went.begin(), from.went.end());
}

PrefixChanges decode(const v1::PrefixChanges& from) {
  return {.from = from.from(),
          .to = from.to(),
          .end = from.end(),
          .whole = from.whole(),
          .came = {from.came().begin(), from.came().end()},
          .went = {from.went().begin(), from.went().end()}};
}

void encode(const PoolReport& from, v1::PoolReport* to) {
  to->set_in_flight(from.in_flight);
  to->set_pinned(from.pinned);
  for (const auto& [tenant, pages] : from.tenants) {
    auto* entry = to->add_tenants();
    entry->set_tenant(utf8(tenant));
    entry->set_pages(pages);
  }
  if (!from.oldest) return;
  to->mutable_oldest()->set_what(utf8(from.oldest->what));
  to->mutable_oldest()->set_since_ns(from.oldest->since.count());
  to->mutable_oldest()->set_left_ns(from.oldest->left.count());
}

PoolReport decode(const v1::PoolReport& from) {
  PoolReport to{.in_flight = from.in_flight(), .pinned = from.pinned()};
  for (const auto& entry : from.tenants()) to.tenants.push_back({entry.tenant(), entry.pages()});
  if (from.has_oldest())
    to.oldest = {from.oldest().what(), Duration(from.oldest().since_ns()),
                 Duration(from.oldest().left_ns())};
  return to;
}

void encode_kind(const Heartbeat& from, v1::ToScheduler* message) {
  auto* to = message->mutable_heartbeat();
  encode(from.peer, to->mutable_peer());
  to->set_role(encode(from.role));
  encode(from.manifest, to->mutable_manifest());
  encode(from.load, to->mutable_load());
  to->set_draining(from.draining);
  for (const auto& [request, attempt] : from.accepted) {
    auto* entry = to->add_accepted();
    entry->set_request(request.value);
    entry->set_attempt(attempt.value);
  }
  if (from.metrics) encode(*from.metrics, to->mutable_metrics());
  if (from.prefixes) encode(*from.prefixes, to->mutable_prefixes());
  if (from.pool) encode(*from.pool, to->mutable_pool());
}

Heartbeat decode(const v1::Heartbeat& from, Fault& fault) {
  fault.need(from.has_peer(), "Heartbeat.peer");
  fault.need(from.has_manifest(), "Heartbeat.manifest");
  fault.need(from.has_load(), "Heartbeat.load");
  Heartbeat to;
  to.peer = decode(from.peer());
  to.role = decode(from.role(), fault);
  to.manifest = decode(from.manifest());
  to.load = decode(from.load());
  to.draining = from.draining();
  to.accepted.reserve(from.accepted_size());
  for (const auto& entry : from.accepted())
    to.accepted.emplace_back(RequestId(entry.request()), Attempt(entry.attempt()));
  if (from.has_metrics()) to.metrics = decode(from.metrics(), fault);
  if (from.has_prefixes()) to.prefixes = decode(from.prefixes());
  if (from.has_pool()) to.pool = decode(from.pool());
  return to;
}

void encode_kind(const Place& from, v1::ToScheduler* message) {
  auto* to = message->mutable_place();
  to->set_request(from.request.value);
  to->set_attempt(from.attempt.value);
  to->set_prompt_tokens(from.prompt_tokens);
  to->set_max_new_tokens(from.max_new_tokens);
  to->set_known_tokens(from.known_tokens);
  to->set_priority(from.priority);
  for (Incarnation incarnation : from.avoid) to->add_avoid(incarnation.value);
  to->mutable_prefix()->Add(from.prefix.begin(), from.prefix.end());
}

Place decode(const v1::Place& from) {
  Place to{.request = RequestId(from.request()),
           .attempt = Attempt(from.attempt()),
           .prompt_tokens = from.prompt_tokens(),
           .max_new_tokens = from.max_new_tokens(),
           .known_tokens = from.known_tokens(),
           .priority = from.priority()};
  for (uint64_t incarnation : from.avoid()) to.avoid.emplace_back(incarnation);
  to.prefix.assign(from.prefix().begin(), from.prefix().end());
  return to;
}

void encode_kind(const Forget& from, v1::ToScheduler* message) {
  auto* to = message->mutable_forget();
  to->set_request(from.request.value);
  to->set_attempt(from.attempt.value);
}

void encode_kind(const WatchCluster&, v1::ToScheduler* message) {
  message->mutable_watch_cluster();
}

void encode_kind(const Rebalance& from, v1::ToScheduler* message) {
  message->mutable_rebalance()->set_incarnation(from.instance.value);
}

void encode_kind(const RebalanceNow& from, v1::FromScheduler* message) {
  message->mutable_rebalance_now()->set_incarnation(from.instance.value);
}

void encode_kind(const HeartbeatSeen& from, v1::FromScheduler* message) {
  auto* to = message->mutable_heartbeat_seen();
  to->set_incarnation(from.incarnation.value);
  to->set_fenced(from.fenced);
  to->set_prefixes_seen(from.prefixes_seen);
  for (const Peer& store : from.kvstores) encode(store, to->add_kvstores());
}

HeartbeatSeen decode(const v1::HeartbeatSeen& from) {
  HeartbeatSeen to{Incarnation(from.incarnation()), from.fenced(), from.prefixes_seen(), {}};
  for (const auto& store : from.kvstores()) to.kvstores.push_back(decode(store));
  return to;
}

void encode_kind(const Placed& from, v1::FromScheduler* message) {
  auto* to = message->mutable_placed();
  to->set_request(from.request.value);
  to->set_attempt(from.attempt.value);
  encode(from.decode, to->mutable_decode());
  if (from.prefill) encode(*from.prefill, to->mutable_prefill());
  to->set_degraded(from.degraded);
  to->set_reason(utf8(from.reason));
}

Placed decode(const v1::Placed& from, Fault& fault) {
  fault.need(from.has_decode(), "Placed.decode");
  Placed to;
  to.request = RequestId(from.request());
  to.attempt = Attempt(from.attempt());
  to.decode = decode(from.decode());
  if (from.has_prefill()) to.prefill = decode(from.prefill());
  to.degraded = from.degraded();
  to.reason = from.reason();
  return to;
}

void encode_kind(const NotPlaced& from, v1::FromScheduler* message) {
  auto* to = message->mutable_not_placed();
  to->set_request(from.request.value);
  to->set_attempt(from.attempt.value);
  to->set_full(from.full);
  to->set_retry_after_ns(from.retry_after.count());
  to->set_reason(utf8(from.reason));
}

NotPlaced decode(const v1::NotPlaced& from, Fault& fault) {
  return {.request = RequestId(from.request()),
          .attempt = Attempt(from.attempt()),
          .full = from.full(),
          .retry_after = fault.elapsed(from.retry_after_ns(), "NotPlaced.retry_after_ns"),
          .reason = from.reason()};
}

void encode_kind(const ClusterView& from, v1::FromScheduler* message) {
  auto* to = message->mutable_cluster_view();
  to->set_membership(from.membership);
  for (const auto& instance : from.instances) {
    auto* entry = to->add_instances();
    encode(instance.peer, entry->mutable_peer());
    entry->set_role(encode(instance.role));
    encode(instance.manifest, entry->mutable_manifest());
    encode(instance.load, entry->mutable_load());
    entry->set_draining(instance.draining);
    entry->set_stale(instance.stale);
    encode(instance.metrics, entry->mutable_metrics());
    entry->set_prefixes(instance.prefixes);
    entry->set_prefixes_stale(instance.prefixes_stale);
    if (instance.pool) encode(*instance.pool, entry->mutable_pool());
  }
}

ClusterView decode(const v1::ClusterView& from, Fault& fault) {
  ClusterView to;
  to.membership = from.membership();
  to.instances.reserve(from.instances_size());
  for (const auto& entry : from.instances()) {
    fault.need(entry.has_peer(), "InstanceView.peer");
    fault.need(entry.has_manifest(), "InstanceView.manifest");
    fault.need(entry.has_load(), "InstanceView.load");
    to.instances.push_back({.peer = decode(entry.peer()),
                            .role = decode(entry.role(), fault),
                            .manifest = decode(entry.manifest()),
                            .load = decode(entry.load()),
                            .draining = entry.draining(),
                            .stale = entry.stale(),
                            .metrics = decode(entry.metrics(), fault),
                            .prefixes = entry.prefixes(),
                            .prefixes_stale = entry.prefixes_stale()});
    if (entry.has_pool()) to.instances.back().pool = decode(entry.pool());
  }
  return to;
}

}  // namespace

void encode(const Peer& from, v1::Peer* to) {
  to->set_name(utf8(from.name));
  to->set_incarnation(from.incarnation.value);
  to->set_address(utf8(from.address));
}

Peer decode(const v1::Peer& from) {
  return {.name = from.name(),
          .incarnation = Incarnation(from.incarnation()),
          .address = from.address()};
}

void encode(const ToScheduler& from, v1::ToScheduler* to) {
  std::visit([to](const auto& kind) { encode_kind(kind, to); }, from);
}

void encode(const FromScheduler& from, v1::FromScheduler* to) {
  std::visit([to](const auto& kind) { encode_kind(kind, to); }, from);
}

Result<ToScheduler> decode(const v1::ToScheduler& from) {
  Fault fault;
  switch (from.kind_case()) {
    case v1::ToScheduler::kHeartbeat:
      return checked<ToScheduler>(decode(from.heartbeat(), fault), fault);
    case v1::ToScheduler::kPlace:
      return ToScheduler(decode(from.place()));
    case v1::ToScheduler::kForget:
      return ToScheduler(Forget{RequestId(from.forget().request()),  //
                                Attempt(from.forget().attempt())});
    case v1::ToScheduler::kWatchCluster:
      return ToScheduler(WatchCluster{});
    case v1::ToScheduler::kRebalance:
      return ToScheduler(Rebalance{Incarnation(from.rebalance().incarnation())});
    case v1::ToScheduler::KIND_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "A message to the scheduler is of an unknown kind.");
}

Result<FromScheduler> decode(const v1::FromScheduler& from) {
  Fault fault;
  switch (from.kind_case()) {
    case v1::FromScheduler::kHeartbeatSeen:
      return FromScheduler(decode(from.heartbeat_seen()));
    case v1::FromScheduler::kPlaced:
      return checked<FromScheduler>(decode(from.placed(), fault), fault);
    case v1::FromScheduler::kNotPlaced:
      return checked<FromScheduler>(decode(from.not_placed(), fault), fault);
    case v1::FromScheduler::kClusterView:
      return checked<FromScheduler>(decode(from.cluster_view(), fault), fault);
    case v1::FromScheduler::kRebalanceNow:
      return FromScheduler(RebalanceNow{Incarnation(from.rebalance_now().incarnation())});
    case v1::FromScheduler::KIND_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "A message from the scheduler is of an unknown kind.");
}

}  // namespace baton::rpc
