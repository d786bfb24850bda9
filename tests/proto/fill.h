// Messages filled with values that are not the defaults, for round-trip tests.
//
// `fill` gives each member a value of its own, through structured bindings that name every member:
// a new member stops the compilation here until it has a value, and then the comparison of the
// round trip fails until the codec carries it. Thread safety: a Counter belongs to its test.
#pragma once

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/codec.h"

namespace baton::rpc::testing {

// Gives a different value each time.
struct Counter {
  uint32_t next() { return ++value; }
  uint32_t value = 0;
};

inline void fill(Counter& c, uint32_t& to) { to = c.next(); }
inline void fill(Counter& c, uint64_t& to) { to = (uint64_t{c.next()} << 40) + c.next(); }
inline void fill(Counter& c, int32_t& to) { to = -static_cast<int32_t>(c.next()); }
inline void fill(Counter& c, int64_t& to) { to = -static_cast<int64_t>(c.next()); }
inline void fill(Counter& c, float& to) { to = 0.125f * static_cast<float>(c.next()); }
inline void fill(Counter& c, double& to) { to = 0.125 * c.next(); }
inline void fill(Counter& c, std::string& to) {
  to = "text " + std::to_string(c.next()) + " \u00e9";
}
inline void fill(Counter& c, Duration& to) { to = Duration((int64_t{c.next()} << 33) + c.next()); }
template <class Tag, class Rep>
inline void fill(Counter& c, Id<Tag, Rep>& to) {
  fill(c, to.value);
}
inline void fill_flag(bool& to) { to = !to; }

// Every overload is declared first: two-phase lookup finds only these.
inline void fill(Counter& c, Digest& to);
inline void fill(Counter& c, SessionId& to);
inline void fill(Counter& c, Peer& to);
inline void fill(Counter& c, SamplingParams& to);
inline void fill(Counter& c, StopParams& to);
inline void fill(Counter& c, ReportParams& to);
inline void fill(Counter& c, Part& to);
inline void fill(Counter& c, Marker& to);
inline void fill(Counter& c, PartParams& to);
inline void fill(Counter& c, ConstraintParams& to);
inline void fill(Counter& c, RequestState& to);
inline void fill(Counter& c, PromptScore& to);
inline void fill(Counter& c, PromptScoreRun& to);
inline void fill(Counter& c, TokenLogprob& to);
inline void fill(Counter& c, TokenEvent& to);
inline void fill(Counter& c, Manifest& to);
inline void fill(Counter& c, Load& to);
inline void fill(Counter& c, PageCounts& to);
inline void fill(Counter& c, InstanceView& to);
inline void fill(Counter& c, DecodeTimes& to);
inline void fill(Counter& c, PrefixChanges& to);
inline void fill(Counter& c, TenantPages& to);
inline void fill(Counter& c, WaitingState& to);
inline void fill(Counter& c, PoolReport& to);
inline void fill(Counter& c, ReservedPage& to);
inline void fill(Counter& c, FrameName& to);
inline void fill(Counter& c, ChatMessage& to);
inline void fill(Counter& c, rpc::ToolCall& to);
inline void fill(Counter& c, rpc::Tool& to);
inline void fill(Counter& c, rpc::ToolCallDelta& to);
inline void fill(Counter& c, rpc::ScoredToken& to);
inline void fill(Counter& c, rpc::GenerateCall& to);
inline void fill(Counter& c, ModelInfo& to);
inline void fill(Counter& c, MetricsSnapshot& to);
template <class A, class B>
inline void fill(Counter& c, std::pair<A, B>& to) {
  fill(c, to.first);
  fill(c, to.second);
}
template <class T>
inline void fill(Counter& c, std::optional<T>& to) {
  fill(c, to.emplace());
}
template <class T>
inline void fill(Counter& c, std::vector<T>& to) {
  to.resize(3);
  for (auto& item : to) fill(c, item);
}
template <class... Members>
inline void fill_all(Counter& c, Members&... members) {
  (fill(c, members), ...);
}

inline void fill(Counter& c, Digest& to) {
  auto& [low, high] = to;
  fill_all(c, low, high);
}
inline void fill(Counter& c, SessionId& to) {
  auto& [high, low] = to;
  fill_all(c, high, low);
}
inline void fill(Counter& c, Peer& to) {
  auto& [name, incarnation, address] = to;
  fill_all(c, name, incarnation, address);
}
inline void fill(Counter& c, SamplingParams& to) {
  auto& [temperature, top_p, top_k, min_p, presence, frequency, repetition, seed, bias, allowed,
         bad_words] = to;
  fill_all(c, temperature, top_p, top_k, min_p, presence, frequency, repetition, seed, bias,
           allowed, bad_words);
}
inline void fill(Counter& c, StopParams& to) {
  auto& [max_tokens, min_tokens, ignore_eos, strings, tokens, include_string] = to;
  fill_all(c, max_tokens, min_tokens, strings, tokens);
  fill_flag(ignore_eos);
  fill_flag(include_string);
}
inline void fill(Counter& c, ReportParams& to) {
  auto& [logprobs, top_logprobs, skip_special_tokens, logits_digest, prompt_logprobs] = to;
  fill_all(c, top_logprobs, prompt_logprobs);
  fill_flag(logprobs);
  fill_flag(skip_special_tokens);
  fill_flag(logits_digest);
}
inline void fill(Counter& c, Part& to) {
  to = c.next() % 2 == 0 ? Part::reasoning : Part::tool;  // not the default
}
inline void fill(Counter& c, Marker& to) {
  auto& [token, opens] = to;
  fill_all(c, token, opens);
}
inline void fill(Counter& c, PartParams& to) {
  auto& [first, markers, reasoning_max] = to;
  fill_all(c, first, markers, reasoning_max);
}
inline void fill(Counter& c, ConstraintParams& to) {
  auto& [form, text, waits, reasoning_end, reasoning_begin, call_begin] = to;
  form = ConstraintParams::Form::grammar;  // not the default
  fill_all(c, text, reasoning_end, reasoning_begin, call_begin);
  fill_flag(waits);
}
inline void fill(Counter& c, RequestState& to) {
  auto& [id, attempt, model, prompt, choices, sampling, stop, report, parts, constraint, known,
         tenant, cache_salt, priority, time_left, age] = to;
  fill_all(c, id, attempt, model, prompt, choices, sampling, stop, report, parts, constraint, known,
           tenant, cache_salt, priority, time_left, age);
}
inline void fill(Counter& c, TokenLogprob& to) {
  auto& [token, logprob] = to;
  fill_all(c, token, logprob);
}
inline void fill(Counter& c, TokenEvent& to) {
  auto& [choice, index, token, text, logprob, top, logits, finish, stop_string] = to;
  fill_all(c, choice, index, token, text, logprob, top, logits, stop_string);
  finish = FinishReason::length;
}
inline void fill(Counter& c, PromptScore& to) {
  auto& [token, rank, top] = to;
  fill_all(c, token, rank, top);
}
inline void fill(Counter& c, PromptScoreRun& to) {
  auto& [first, scores] = to;
  fill_all(c, first, scores);
}
inline void fill(Counter& c, Manifest& to) {
  auto& [fingerprint, mode, revision, layers, entry, page, wire] = to;
  fill_all(c, fingerprint, mode, revision, layers, entry, page, wire);
}
inline void fill(Counter& c, PageCounts& to) {
  auto& [total, free, reserved, filling, in_use, cached] = to;
  fill_all(c, total, free, reserved, filling, in_use, cached);
}
inline void fill(Counter& c, Load& to) {
  auto& [running, waiting, queued_tokens, running_max, pages] = to;
  fill_all(c, running, waiting, queued_tokens, running_max, pages);
}
inline void fill(Counter& c, InstanceView& to) {
  auto& [peer, role, manifest, load, draining, stale, metrics, prefixes, prefixes_stale, pool] = to;
  fill_all(c, peer, manifest, load, metrics, prefixes, pool);
  fill_flag(prefixes_stale);
  role = Role::prefill;
  fill_flag(draining);
  fill_flag(stale);
}
inline void fill(Counter& c, DecodeTimes& to) {
  auto& [queued, prefilled, exposed, waited, first_step, cached_tokens, fetched_tokens, kvstore] =
      to;
  fill_all(c, queued, prefilled, exposed, waited, first_step, cached_tokens, fetched_tokens,
           kvstore);
}
inline void fill(Counter& c, PrefixChanges& to) {
  auto& [from, until, end, whole, came, went] = to;
  fill_all(c, from, until, end, came, went);
  fill_flag(whole);
}
inline void fill(Counter& c, TenantPages& to) {
  auto& [tenant, pages] = to;
  fill_all(c, tenant, pages);
}
inline void fill(Counter& c, WaitingState& to) {
  auto& [what, since, left] = to;
  fill_all(c, what, since, left);
}
inline void fill(Counter& c, PoolReport& to) {
  auto& [in_flight, pinned, tenants, oldest] = to;
  fill_all(c, in_flight, pinned, tenants, oldest);
}
inline void fill(Counter& c, ReservedPage& to) {
  auto& [page, epoch] = to;
  fill_all(c, page, epoch);
}
inline void fill(Counter& c, FrameName& to) {
  auto& [layer, page] = to;
  fill_all(c, layer, page);
}
inline void fill(Counter& c, ChatMessage& to) {
  auto& [role, content, reasoning, tool_calls, tool_call_id] = to;
  fill_all(c, role, content, reasoning, tool_calls, tool_call_id);
}
inline void fill(Counter& c, rpc::ToolCall& to) {
  auto& [id, name, arguments] = to;
  fill_all(c, id, name, arguments);
}
inline void fill(Counter& c, rpc::Tool& to) {
  auto& [name, description, parameters] = to;
  fill_all(c, name, description, parameters);
}
inline void fill(Counter& c, rpc::ToolCallDelta& to) {
  auto& [index, id, name, arguments] = to;
  fill_all(c, index, id, name, arguments);
}
inline void fill(Counter& c, rpc::ScoredToken& to) {
  auto& [token, logprob, top] = to;
  fill_all(c, token, logprob, top);
}
// All but the prompt, the key and the time left, which travel elsewhere.
inline void fill(Counter& c, rpc::GenerateCall& to) {
  auto& [model, prompt, choices, sampling, given, stop, max_tokens_given, report, priority,
         request_id, api_key, time_left] = to;
  fill_all(c, model, choices, sampling, stop, report, priority, request_id);
  auto& [temperature, top_p, top_k, min_p, presence, frequency, repetition, seed] = given;
  for (bool* flag :
       {&temperature, &top_p, &top_k, &min_p, &presence, &frequency, &repetition, &seed}) {
    fill_flag(*flag);
  }
  fill_flag(max_tokens_given);
}
inline void fill(Counter& c, ModelInfo& to) {
  auto& [name, fingerprint, numeric_mode, context_tokens] = to;
  fill_all(c, name, fingerprint, numeric_mode, context_tokens);
}

// ---- metrics: what the type gives a meaning travels --------------------------------------------

inline void fill(Counter& c, MetricsSnapshot& to) {
  using prometheus::MetricType;
  for (auto type : {MetricType::Counter, MetricType::Gauge, MetricType::Summary,
                    MetricType::Untyped, MetricType::Histogram}) {
    auto& [name, help, family_type, metrics] = to.emplace_back();
    fill_all(c, name, help);
    family_type = type;
    for (int i = 0; i < 2; ++i) {
      auto& [label, counter, gauge, summary, histogram, untyped, time] = metrics.emplace_back();
      label.resize(2);
      for (auto& [label_name, label_value] : label) fill_all(c, label_name, label_value);
      fill(c, time);
      if (type == MetricType::Counter) fill(c, counter.value);
      if (type == MetricType::Gauge) fill(c, gauge.value);
      if (type == MetricType::Untyped) fill(c, untyped.value);
      if (type == MetricType::Summary) {
        auto& [count, sum, quantiles] = summary;
        fill_all(c, count, sum);
        quantiles.resize(2);
        for (auto& [quantile, value] : quantiles) fill_all(c, quantile, value);
      }
      if (type == MetricType::Histogram) {
        auto& [count, sum, buckets] = histogram;
        fill_all(c, count, sum);
        buckets.resize(3);
        for (auto& [cumulative, bound] : buckets) fill_all(c, cumulative, bound);
        buckets.back().upper_bound = std::numeric_limits<double>::infinity();
      }
    }
  }
}

}  // namespace baton::rpc::testing
