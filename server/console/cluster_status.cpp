#include "server/console/cluster_status.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/routes/status.h"

namespace baton::server {

using Json = nlohmann::ordered_json;

namespace {

const prometheus::MetricFamily* find(const MetricsSnapshot& snapshot, std::string_view name) {
  const auto found = std::ranges::find(snapshot, name, &prometheus::MetricFamily::name);
  return found == snapshot.end() ? nullptr : &*found;
}

double counted(const MetricsSnapshot& snapshot, std::string_view name) {
  double sum = 0;
  if (const auto* family = find(snapshot, name)) {
    for (const auto& metric : family->metric) sum += metric.counter.value;
  }
  return sum;
}

std::string layout_of(const MetricsSnapshot& snapshot) {
  const auto* family = find(snapshot, "baton_layout_info");
  if (!family) return {};
  for (const auto& metric : family->metric) {
    for (const auto& label : metric.label) {
      if (label.name == "layout") return label.value;
    }
  }
  return {};
}

Json instance_json(const InstanceView& instance) {
  Json json = kv_json(instance);
  json["queued_tokens"] = instance.load.queued_tokens;
  json["running_max"] = instance.load.running_max;
  json["numeric_mode"] = instance.manifest.numeric_mode;
  json["fingerprint"] = instance.manifest.model_fingerprint;
  json["address"] = instance.peer.address;
  json["layout"] = layout_of(instance.metrics);
  return json;
}

}  // namespace

http::Response cluster_response(const ClusterView& cluster, const MetricsSnapshot& own,
                                size_t requests) {
  Json instances = Json::array();
  for (const auto& instance : cluster.instances) instances.push_back(instance_json(instance));
  const auto all = [&cluster](std::string_view name) {
    double sum = 0;
    for (const auto& instance : cluster.instances) sum += counted(instance.metrics, name);
    return sum;
  };
  const Json totals = {{"generation_tokens", all("baton_decode_tokens_total")},
                       {"prefill_tokens", all("baton_prefill_rows_total")},
                       {"handoffs", all("baton_prefill_jobs_committed_total")},
                       {"frames", all("baton_frames_sent_total")},
                       {"frame_bytes", all("baton_frame_bytes_sent_total")},
                       {"frames_again", all("baton_frames_posted_again_total")},
                       {"drafted_tokens", all("baton_mtp_drafted_tokens_total")},
                       {"accepted_tokens", all("baton_mtp_accepted_tokens_total")},
                       {"preemptions", all("baton_decode_preempted_total")},
                       {"migrations", counted(own, "baton_migrations_total")},
                       {"cancelled", counted(own, "baton_cancelled_total")}};
  const Json json = {{"membership", cluster.membership},
                     {"requests", requests},
                     {"totals", totals},
                     {"instances", std::move(instances)}};
  // Names come from peers: what is no UTF-8 must not stop an answer.
  return json_response(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace baton::server
