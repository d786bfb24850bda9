// ServingMetrics: what the gateway counts of requests, under the names that vLLM's dashboards and
// autoscalers read, and the text of /metrics, workers included.
// Thread safety: counting from any thread; render on the I/O thread.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/observe/metrics.h"
#include "proto/cluster.h"
#include "server/relay/timeline.h"

namespace baton::server {

class ServingMetrics {
 public:
  ServingMetrics(Metrics& metrics, const std::string& model_name);

  void begun(uint64_t prompt_tokens, uint32_t choices, uint64_t max_tokens);
  void first_token(Duration since_arrival);
  void token_gap(Duration gap);
  void generated(uint64_t tokens);  // as they come
  // Where the time went of a prompt that has got all its tokens.
  void finished(const Timeline& timeline, Duration since_arrival);
  void auth_failed();
  void retried();                     // a request that its client says to have sent before
  void unknown_fields(size_t count);  // of a request's body
  // `reason`: one of few (RequestMeter).
  void rejected(const std::string& reason);
  // `reason`: "stop", "length", "abort" or "error".
  // `generated_tokens`: of the whole answer, counted before.
  void ended(const std::string& reason, Duration since_arrival, uint64_t generated_tokens);

  // The gateway's own and all that the workers reported.
  std::string render(const ClusterView& cluster) const;

 private:
  void add_cluster(MetricsSnapshot& all, const ClusterView& cluster) const;

  Metrics& metrics_;
  std::string model_name_;
  Labels labels_;
  prometheus::Counter& prompt_tokens_;
  prometheus::Counter& generation_tokens_;
  prometheus::Histogram& first_token_;
  prometheus::Histogram& inter_token_;
  prometheus::Histogram& per_output_token_;
  prometheus::Histogram& e2e_;
  prometheus::Histogram& queue_time_;
  prometheus::Histogram& prefill_time_;
  prometheus::Histogram& decode_time_;
  prometheus::Histogram& inference_time_;
  prometheus::Histogram& request_prompt_tokens_;
  prometheus::Histogram& request_generation_tokens_;
  prometheus::Histogram& params_n_;
  prometheus::Histogram& params_max_tokens_;
  prometheus::Counter& auth_failures_;
  prometheus::Counter& retries_;
  prometheus::Counter& unknown_fields_;
  prometheus::Histogram& queue_seconds_;
  prometheus::Counter& cached_tokens_;
  prometheus::Counter& aborted_;
  std::vector<prometheus::Histogram*> stages_;  // as in kStages
};

}  // namespace baton::server
