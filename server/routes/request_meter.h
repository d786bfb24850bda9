// RequestMeter: what one client's request adds to the metrics, measured as its tokens go out.
//
// Each of its prompts is a request of the cluster and is counted as one. A prompt counts from its
// first sign of life: what was refused before adds nothing but the refusal and its reason. The time
// between tokens is that of one choice. Thread: the I/O thread.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "proto/request.h"
#include "server/api/error.h"
#include "server/routes/serving_metrics.h"

namespace baton::server {

class RequestMeter {
 public:
  RequestMeter(ServingMetrics& metrics, Instant arrived) : metrics_(metrics), arrived_(arrived) {}

  // The next prompt, about to be submitted; they are numbered from 0.
  void asked(const RequestState& request);
  void alive(size_t prompt);  // something of it has come
  void tokens(size_t prompt, std::span<const TokenEvent> events, Instant now);
  void finished(size_t prompt, const Timeline& timeline, Instant now);

  // Ends of the request as a whole; prompts that have not finished share it.
  void failed(const api::ApiError& error, Instant now);
  void left(Instant now);  // its client has

  // Since arrival, if there has been one.
  std::optional<Duration> first_token(size_t prompt) const { return prompts_[prompt].first_token; }

 private:
  struct Choice {
    std::optional<Instant> last_token;
    int64_t coming = 0;  // tokens of the events at hand
  };
  struct Prompt {
    uint64_t prompt_tokens = 0;
    uint64_t max_tokens = 0;
    uint64_t tokens = 0;  // of all choices
    std::vector<Choice> choices;
    std::optional<Duration> first_token;
    bool alive = false;
    bool ended = false;
    const char* reason = "stop";
  };

  void end(Prompt& prompt, const char* reason, Instant now);

  ServingMetrics& metrics_;
  const Instant arrived_;
  std::vector<Prompt> prompts_;
};

}  // namespace baton::server
