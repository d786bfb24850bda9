#include "server/routes/serving_metrics.h"

#include <algorithm>

#include "base/system/options.h"

namespace baton::server {

namespace {

const std::vector<double> kFirstTokenEdges = {.001, .005, .01, .02, .04, .06, .08, .1,
                                              .25,  .5,   .75, 1,   2.5, 5,   7.5, 10,
                                              20,   40,   80,  160, 640, 2560};
const std::vector<double> kTokenEdges = {.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                                         .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
const std::vector<double> kLatencyEdges = {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                           30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> kCountEdges = {1,    2,    5,    10,    20,    50,    100,    200,   500,
                                         1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000};
const std::vector<double> kChoiceEdges = {1, 2, 5, 10, 20};

prometheus::MetricFamily gauge_family(const std::string& name, const std::string& help) {
  return {name, help, prometheus::MetricType::Gauge, {}};
}

void add_gauge(prometheus::MetricFamily& family, double value, const Labels& labels) {
  auto& metric = family.metric.emplace_back();
  metric.gauge.value = value;
  for (const auto& [name, text] : labels) metric.label.push_back({name, text});
}

// The parts of a request's time to first token.
constexpr std::string_view kStageFamily = "baton_per_stage_req_latency_seconds";
struct Stage {
  const char* name;
  Duration (*of)(const Timeline&);
};
constexpr Stage kStages[] = {
    {"lost", [](const Timeline& t) { return t.lost; }},
    {"placing", [](const Timeline& t) { return t.placing; }},
    {"queue", [](const Timeline& t) { return t.decode.queued; }},
    {"prefill", [](const Timeline& t) { return t.decode.prefilled; }},
    {"transfer", [](const Timeline& t) { return t.decode.exposed; }},
    {"batch_wait", [](const Timeline& t) { return t.decode.waited; }},
    {"first_step", [](const Timeline& t) { return t.decode.first_step; }},
    {"travel", [](const Timeline& t) { return t.travelled; }},
};
const std::vector<double> kStageEdges = {.0001, .001, .002, .005, .01, .02, .05, .1, .2,
                                         .5,    1,    2,    5,    10,  20,  50,  100};

constexpr std::string_view kPreempted = "baton_decode_preempted_total";

double counted(const MetricsSnapshot& snapshot, std::string_view name) {
  double sum = 0;
  for (const auto& family : snapshot) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) sum += metric.counter.value;
  }
  return sum;
}

// The share of pages that new requests can't have: what is cached can be evicted.
double usage(const PageCounts& pages) {
  if (pages.total == 0) return 0;
  const double taken = static_cast<double>(pages.total) - pages.free - pages.cached;
  return taken / pages.total;
}

}  // namespace

ServingMetrics::ServingMetrics(Metrics& metrics, const std::string& model_name)
    : metrics_(metrics),
      model_name_(model_name),
      labels_({{"model_name", model_name}, {"engine", "0"}}),
      prompt_tokens_(metrics.counter("vllm:prompt_tokens_total", "Prompt tokens.", labels_)),
      generation_tokens_(
          metrics.counter("vllm:generation_tokens_total", "Generated tokens.", labels_)),
      first_token_(metrics.histogram("vllm:time_to_first_token_seconds", "Time to first token.",
                                     kFirstTokenEdges, labels_)),
      inter_token_(metrics.histogram("vllm:inter_token_latency_seconds",
                                     "Time between tokens of a request.", kTokenEdges, labels_)),
      per_output_token_(metrics.histogram("vllm:time_per_output_token_seconds",
                                          "The older name of inter_token_latency_seconds.",
                                          kTokenEdges, labels_)),
      e2e_(metrics.histogram("vllm:e2e_request_latency_seconds", "From arrival to the last token.",
                             kLatencyEdges, labels_)),
      queue_time_(metrics.histogram("vllm:request_queue_time_seconds",
                                    "Time of a request in queues, before its first step.",
                                    kLatencyEdges, labels_)),
      prefill_time_(metrics.histogram("vllm:request_prefill_time_seconds",
                                      "From the queues to the first token, hand-off included.",
                                      kLatencyEdges, labels_)),
      decode_time_(metrics.histogram("vllm:request_decode_time_seconds",
                                     "From the first token to the last.", kLatencyEdges, labels_)),
      inference_time_(metrics.histogram("vllm:request_inference_time_seconds",
                                        "From the queues to the last token.", kLatencyEdges,
                                        labels_)),
      request_prompt_tokens_(metrics.histogram(
          "vllm:request_prompt_tokens", "Prompt tokens of a request.", kCountEdges, labels_)),
      request_generation_tokens_(metrics.histogram("vllm:request_generation_tokens",
                                                   "Generated tokens of a request.", kCountEdges,
                                                   labels_)),
      params_n_(
          metrics.histogram("vllm:request_params_n", "Choices asked for.", kChoiceEdges, labels_)),
      params_max_tokens_(metrics.histogram("vllm:request_params_max_tokens",
                                           "Tokens allowed to an answer.", kCountEdges, labels_)),
      auth_failures_(metrics.counter("baton_auth_failures_total", "Requests without a valid key.")),
      retries_(metrics.counter("baton_http_retries_total",
                               "Requests that their clients had sent before.")),
      unknown_fields_(metrics.counter("baton_request_unknown_fields_total",
                                      "Fields of requests that nothing here knows.")),
      queue_seconds_(metrics.histogram("baton_queue_time_seconds",
                                       "Time of a request in queues, before its first step.",
                                       kStageEdges)),
      cached_tokens_(metrics.counter("baton_cached_tokens_total",
                                     "Prompt tokens that nobody had to compute.")),
      aborted_(metrics.counter("baton_num_aborted_requests_total",
                               "Requests whose client left before their end.")) {
  for (const Stage& stage : kStages)
    stages_.push_back(&metrics.histogram(std::string(kStageFamily),
                                         "The parts of a request's time to first token.",
                                         kStageEdges, {{"stage", stage.name}}));
  metrics.gauge("baton_build_info", "Always 1.", {{"version", kVersion}}).Set(1);
}

void ServingMetrics::begun(uint64_t prompt_tokens, uint32_t choices, uint64_t max_tokens) {
  prompt_tokens_.Increment(static_cast<double>(prompt_tokens));
  request_prompt_tokens_.Observe(static_cast<double>(prompt_tokens));
  params_n_.Observe(choices);
  params_max_tokens_.Observe(static_cast<double>(max_tokens));
}

void ServingMetrics::first_token(Duration since_arrival) {
  first_token_.Observe(to_seconds(since_arrival));
}

void ServingMetrics::token_gap(Duration gap) {
  inter_token_.Observe(to_seconds(gap));
  per_output_token_.Observe(to_seconds(gap));
}

void ServingMetrics::finished(const Timeline& timeline, Duration since_arrival) {
  const Duration queued =
      timeline.lost + timeline.placing + timeline.decode.queued + timeline.decode.waited;
  const Duration prefilled = timeline.first_token - queued;
  const Duration decoded = std::max(Duration{}, since_arrival - timeline.first_token);
  queue_time_.Observe(to_seconds(queued));
  queue_seconds_.Observe(to_seconds(queued));
  cached_tokens_.Increment(timeline.decode.cached_tokens);
  for (size_t s = 0; s < stages_.size(); ++s)
    stages_[s]->Observe(to_seconds(kStages[s].of(timeline)));
  prefill_time_.Observe(to_seconds(prefilled));
  decode_time_.Observe(to_seconds(decoded));
  inference_time_.Observe(to_seconds(prefilled + decoded));
}

void ServingMetrics::generated(uint64_t tokens) {
  generation_tokens_.Increment(static_cast<double>(tokens));
}

void ServingMetrics::auth_failed() { auth_failures_.Increment(); }

void ServingMetrics::retried() { retries_.Increment(); }

void ServingMetrics::unknown_fields(size_t count) {
  unknown_fields_.Increment(static_cast<double>(count));
}

void ServingMetrics::rejected(const std::string& reason) {
  metrics_
      .counter("baton_requests_rejected_total", "Requests that were refused before they began.",
               {{"reason", reason}})
      .Increment();
}

void ServingMetrics::ended(const std::string& reason, Duration since_arrival,
                           uint64_t generated_tokens) {
  Labels labels = labels_;
  labels["finished_reason"] = reason;
  if (reason == "abort") aborted_.Increment();
  metrics_.counter("vllm:request_success_total", "Ended requests by reason.", labels).Increment();
  if (reason != "stop" && reason != "length") return;
  e2e_.Observe(to_seconds(since_arrival));
  request_generation_tokens_.Observe(static_cast<double>(generated_tokens));
}

void ServingMetrics::add_cluster(MetricsSnapshot& all, const ClusterView& cluster) const {
  auto running = gauge_family("vllm:num_requests_running", "Requests in the batch.");
  auto waiting = gauge_family("vllm:num_requests_waiting", "Requests that wait for the batch.");
  auto kv = gauge_family("vllm:kv_cache_usage_perc", "Share of KV pages in use; 1 is all.");
  auto gpu = gauge_family("vllm:gpu_cache_usage_perc", "The older name of kv_cache_usage_perc.");
  auto config = gauge_family("vllm:cache_config_info", "Sizes of the KV cache; always 1.");
  prometheus::MetricFamily preempted = {"vllm:num_preemptions_total",
                                        "Requests that gave way to older ones.",
                                        prometheus::MetricType::Counter,
                                        {}};
  auto pages = gauge_family("baton_kv_pages", "KV pages by state.");
  auto peers = gauge_family("baton_discovery_peers", "Instances that the scheduler tells of.");
  add_gauge(peers, static_cast<double>(cluster.instances.size()), {});
  auto up = gauge_family("baton_instance_up", "1 unless heartbeats are late or it drains.");
  for (const auto& instance : cluster.instances) {
    const std::string role = to_string(instance.role);
    const Labels here = {{"instance", instance.peer.name}, {"role", role}};
    add_gauge(up, !instance.stale && !instance.draining, here);
    const PageCounts& counts = instance.load.pages;
    const std::pair<const char*, uint32_t> states[] = {{"free", counts.free},
                                                       {"reserved", counts.reserved},
                                                       {"filling", counts.filling},
                                                       {"in_use", counts.in_use},
                                                       {"cached", counts.cached}};
    for (const auto& [state, count] : states) {
      Labels labels = here;
      labels["state"] = state;
      add_gauge(pages, count, labels);
    }
    if (instance.role != Role::decode) continue;  // a request is counted once, where it is spoken
    const Labels engine = {{"model_name", model_name_}, {"engine", instance.peer.name}};
    add_gauge(running, instance.load.running, engine);
    add_gauge(preempted, 0, engine);
    preempted.metric.back().counter.value = counted(instance.metrics, kPreempted);
    add_gauge(waiting, instance.load.waiting, engine);
    add_gauge(kv, usage(counts), engine);
    add_gauge(gpu, usage(counts), engine);
    Labels sizes = engine;
    sizes["block_size"] = std::to_string(instance.manifest.page_tokens);
    sizes["num_gpu_blocks"] = std::to_string(counts.total);
    add_gauge(config, 1, sizes);
  }
  for (auto* family : {&running, &waiting, &kv, &gpu, &config, &preempted, &pages, &peers, &up}) {
    all.push_back(std::move(*family));
  }
}

std::string ServingMetrics::render(const ClusterView& cluster) const {
  MetricsSnapshot all = metrics_.snapshot();
  for (const auto& instance : cluster.instances) {
    for (const auto& family : instance.metrics) {
      // Dashboards pick what has one of vLLM's names by that server's own labels.
      const Labels here =
          family.name.starts_with("vllm:")
              ? Labels{{"model_name", model_name_}, {"engine", instance.peer.name}}
              : Labels{{"instance", instance.peer.name}, {"role", to_string(instance.role)}};
      merge(all, {family}, here);
    }
  }
  add_cluster(all, cluster);
  return baton::render(all);
}

}  // namespace baton::server
