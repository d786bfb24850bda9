#include "server/routes/request_meter.h"

#include <algorithm>
#include <utility>

namespace baton::server {

namespace {

// Few and fixed, since each is a time series.
const char* rejection(const api::ApiError& error) {
  switch (error.status) {
    case 429:
      return "queue_full";
    case 500:
      return "internal_error";
    case 503:
      return error.code == "draining" ? "draining" : "no_capacity";
    case 504:
      return "deadline_exceeded";
    default:
      return error.status == 404 ? "not_found" : "invalid";
  }
}

}  // namespace

void RequestMeter::asked(const RequestState& request) {
  Prompt& prompt = prompts_.emplace_back();
  prompt.prompt_tokens = request.prompt.size();
  prompt.max_tokens = request.stop.max_tokens;
  prompt.choices.resize(request.choices);
  if (prompt.max_tokens == 0) prompt.reason = "length";  // only scored
}

void RequestMeter::alive(size_t at) {
  Prompt& prompt = prompts_[at];
  if (prompt.alive) return;
  prompt.alive = true;
  metrics_.begun(prompt.prompt_tokens, static_cast<uint32_t>(prompt.choices.size()),
                 prompt.max_tokens);
}

void RequestMeter::tokens(size_t at, std::span<const TokenEvent> events, Instant now) {
  if (events.empty()) return;
  alive(at);
  Prompt& prompt = prompts_[at];
  if (!prompt.first_token) {
    prompt.first_token = now - arrived_;
    metrics_.first_token(*prompt.first_token);
  }
  prompt.tokens += events.size();
  metrics_.generated(events.size());
  for (const TokenEvent& event : events) {
    check(event.choice < prompt.choices.size(), "a token belongs to a choice that was asked for");
    ++prompt.choices[event.choice].coming;
    if (event.finish == FinishReason::length) prompt.reason = "length";
  }
  for (const TokenEvent& event : events) {
    Choice& choice = prompt.choices[event.choice];
    // A choice's tokens that come together are a step's: the gap is shared among them.
    const int64_t count = std::exchange(choice.coming, 0);
    if (count == 0) continue;
    if (choice.last_token) {
      const Duration gap = (now - *choice.last_token) / count;
      for (int64_t i = 0; i < count; ++i) metrics_.token_gap(gap);
    }
    choice.last_token = now;
  }
}

void RequestMeter::finished(size_t at, const Timeline& timeline, Instant now) {
  alive(at);
  metrics_.finished(timeline, now - arrived_);
  end(prompts_[at], prompts_[at].reason, now);
}

void RequestMeter::failed(const api::ApiError& error, Instant now) {
  const auto lives = [](const Prompt& prompt) { return prompt.alive; };
  if (std::none_of(prompts_.begin(), prompts_.end(), lives)) {
    prompts_.clear();
    return metrics_.rejected(rejection(error));
  }
  for (Prompt& prompt : prompts_) end(prompt, "error", now);
}

void RequestMeter::left(Instant now) {
  for (Prompt& prompt : prompts_) end(prompt, "abort", now);
}

void RequestMeter::end(Prompt& prompt, const char* reason, Instant now) {
  if (std::exchange(prompt.ended, true)) return;
  metrics_.ended(reason, now - arrived_, prompt.tokens);
}

}  // namespace baton::server
