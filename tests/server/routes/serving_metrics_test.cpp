#include "server/routes/serving_metrics.h"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

bool has(const std::string& text, const std::string& line) {
  return text.find(line) != std::string::npos;
}

TEST(ServingMetrics, counts_requests_under_the_known_names) {
  Metrics metrics;
  ServingMetrics serving(metrics, "m");
  serving.begun(10, 1, 16);
  serving.first_token(20ms);
  serving.token_gap(30ms);
  Timeline timeline;
  timeline.placing = 100ms;
  timeline.decode.queued = 200ms;
  timeline.decode.waited = 200ms;
  timeline.decode.prefilled = 400ms;
  timeline.decode.cached_tokens = 7;
  timeline.first_token = 1s;
  serving.finished(timeline, 3s);
  serving.retried();
  serving.generated(5);
  serving.generated(2);
  serving.ended("stop", 1s, 5);
  serving.ended("abort", 1s, 2);
  const std::string text = serving.render({});
  for (const char* line :
       {R"(vllm:prompt_tokens_total{engine="0",model_name="m"} 10)",
        R"(vllm:generation_tokens_total{engine="0",model_name="m"} 7)",
        R"(vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 1)",
        R"(vllm:request_success_total{engine="0",finished_reason="abort",model_name="m"} 1)",
        R"(vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 1)",
        R"(vllm:inter_token_latency_seconds_count{engine="0",model_name="m"} 1)",
        R"(vllm:time_per_output_token_seconds_count{engine="0",model_name="m"} 1)",
        R"(vllm:e2e_request_latency_seconds_count{engine="0",model_name="m"} 1)",
        R"(vllm:request_queue_time_seconds_sum{engine="0",model_name="m"} 0.5)",
        R"(vllm:request_prefill_time_seconds_sum{engine="0",model_name="m"} 0.5)",
        R"(vllm:request_decode_time_seconds_sum{engine="0",model_name="m"} 2)",
        R"(vllm:request_inference_time_seconds_sum{engine="0",model_name="m"} 2.5)",
        R"(baton_per_stage_req_latency_seconds_sum{stage="queue"} 0.2)",
        R"(baton_per_stage_req_latency_seconds_sum{stage="prefill"} 0.4)",
        R"(baton_per_stage_req_latency_seconds_count{stage="travel"} 1)",
        R"(baton_queue_time_seconds_sum 0.5)", R"(baton_cached_tokens_total 7)",
        R"(baton_num_aborted_requests_total 1)", R"(baton_http_retries_total 1)"}) {
    EXPECT_TRUE(has(text, line)) << line << "\n" << text;
  }
}

TEST(ServingMetrics, shows_the_load_of_decode_and_the_pages_of_all) {
  Metrics metrics;
  const ServingMetrics serving(metrics, "m");
  ClusterView view;
  InstanceView decode;
  decode.peer.name = "decode-0";
  decode.role = Role::decode;
  decode.load.running = 3;
  decode.load.waiting = 2;
  decode.load.pages = {10, 4, 1, 2, 2, 1};
  InstanceView prefill = decode;
  prefill.peer.name = "prefill-0";
  prefill.role = Role::prefill;
  view.instances = {decode, prefill};
  add_counter(view.instances[0].metrics, "baton_decode_preempted_total", "", 4);
  const std::string text = serving.render(view);
  EXPECT_TRUE(has(text, R"(vllm:num_preemptions_total{engine="decode-0",model_name="m"} 4)"));
  EXPECT_TRUE(has(text, R"(vllm:num_requests_running{engine="decode-0",model_name="m"} 3)"));
  EXPECT_TRUE(has(text, R"(vllm:num_requests_waiting{engine="decode-0",model_name="m"} 2)"));
  EXPECT_TRUE(has(text, R"(vllm:kv_cache_usage_perc{engine="decode-0",model_name="m"} 0.5)"));
  EXPECT_FALSE(has(text, R"(engine="prefill-0")"));
  EXPECT_TRUE(has(text, R"(baton_kv_pages{instance="prefill-0",role="prefill",state="in_use"} 2)"));
}

TEST(ServingMetrics, joins_what_the_workers_report) {
  Metrics own, worker;
  const ServingMetrics serving(own, "m");
  worker.counter("baton_mtp_accepted_total", "Accepted drafts.").Increment(4);
  worker.counter("vllm:prefix_cache_hits_total", "Hits.").Increment(5);
  ClusterView view;
  InstanceView decode;
  decode.peer.name = "decode-0";
  decode.metrics = worker.snapshot();
  view.instances = {decode};
  const std::string text = serving.render(view);
  EXPECT_TRUE(has(text, R"(baton_mtp_accepted_total{instance="decode-0",role="decode"} 4)"));
  EXPECT_TRUE(has(text, R"(vllm:prefix_cache_hits_total{engine="decode-0",model_name="m"} 5)"));
}

}  // namespace
}  // namespace baton::server
