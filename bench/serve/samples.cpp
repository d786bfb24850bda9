#include "bench/serve/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace baton::bench {
namespace {

constexpr size_t kMistakesMax = 5;

double ms(Duration d) { return to_seconds(d) * 1e3; }

// Of requests with one token there is none.
std::optional<double> tpot_ms(const Sample& s) {
  if (s.output_tokens < 2) return std::nullopt;
  return ms(s.last - s.first) / static_cast<double>(s.output_tokens - 1);
}

bool good(const Sample& s, const Objective& o) {
  if (o.ttft_ms_max && ms(s.first - s.due) > *o.ttft_ms_max) return false;
  if (o.tpot_ms_max && tpot_ms(s).value_or(0) > *o.tpot_ms_max) return false;
  return !o.e2el_ms_max || ms(s.ended - s.due) <= *o.e2el_ms_max;
}

void add_spread(nlohmann::ordered_json& json, const std::string& name, const Spread& s) {
  json["mean_" + name + "_ms"] = s.mean;
  json["median_" + name + "_ms"] = s.median;
  json["p90_" + name + "_ms"] = s.p90;
  json["p99_" + name + "_ms"] = s.p99;
  json["max_" + name + "_ms"] = s.largest;
}

}  // namespace

double percentile(std::vector<double> values, double percent) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const double at = percent / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (at - std::floor(at));
}

Spread spread_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  double sum = 0;
  for (const double value : values) sum += value;
  return {sum / static_cast<double>(values.size()), percentile(values, 50), percentile(values, 90),
          percentile(values, 99), percentile(values, 100)};
}

Summary summarize(const std::vector<Sample>& samples, const Objective& objective) {
  Summary all;
  all.has_objective = objective.ttft_ms_max || objective.tpot_ms_max || objective.e2el_ms_max;
  std::vector<double> ttft, tpot, itl, e2el;
  Duration first = Duration::max(), last = Duration::min();
  uint64_t kept = 0;
  for (const Sample& s : samples) {
    first = std::min(first, s.due);
    last = std::max(last, s.ended);
    all.late_ms = std::max(all.late_ms, ms(s.sent - s.due));
    if (!s.error.empty()) {
      ++all.failed;
      if (all.mistakes.size() < kMistakesMax && !std::ranges::count(all.mistakes, s.error)) {
        all.mistakes.push_back(s.error);
      }
      continue;
    }
    ++all.completed;
    all.prompt_tokens += s.prompt_tokens;
    all.cached_tokens += s.cached_tokens;
    all.output_tokens += s.output_tokens;
    if (s.output_tokens != 0) ttft.push_back(ms(s.first - s.due));
    if (const auto each = tpot_ms(s)) tpot.push_back(*each);
    for (const Duration gap : s.gaps) itl.push_back(ms(gap));
    e2el.push_back(ms(s.ended - s.due));
    kept += good(s, objective) ? 1 : 0;
  }
  all.ttft_ms = spread_of(ttft);
  all.tpot_ms = spread_of(tpot);
  all.itl_ms = spread_of(itl);
  all.e2el_ms = spread_of(e2el);
  all.seconds = samples.empty() ? 0 : to_seconds(last - first);
  if (all.seconds > 0) {
    all.requests_s = static_cast<double>(all.completed) / all.seconds;
    all.output_tokens_s = static_cast<double>(all.output_tokens) / all.seconds;
    all.all_tokens_s = static_cast<double>(all.output_tokens + all.prompt_tokens) / all.seconds;
    all.goodput_s = static_cast<double>(kept) / all.seconds;
  }
  return all;
}

std::string to_text(const Summary& s) {
  std::string text =
      fmt::format("{} completed, {} failed, {:.2f} s\n", s.completed, s.failed, s.seconds);
  text += fmt::format("prompt tokens {} ({} from a cache), output tokens {}\n", s.prompt_tokens,
                      s.cached_tokens, s.output_tokens);
  text += fmt::format("{:.2f} requests/s, {:.1f} output tokens/s, {:.1f} tokens/s in all\n",
                      s.requests_s, s.output_tokens_s, s.all_tokens_s);
  if (s.has_objective) {
    text += fmt::format("goodput {:.2f} requests/s keep the objective\n", s.goodput_s);
  }
  text += fmt::format("\n{:<30}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "ms", "mean", "median", "p90",
                      "p99", "largest");
  const auto row = [&](const char* name, const Spread& spread) {
    text += fmt::format("{:<30}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}\n", name, spread.mean,
                        spread.median, spread.p90, spread.p99, spread.largest);
  };
  row("time to first token", s.ttft_ms);
  row("time per output token", s.tpot_ms);
  row("inter-token latency", s.itl_ms);
  row("whole request", s.e2el_ms);
  text += fmt::format("\nthe load generator was late by {:.2f} ms at most\n", s.late_ms);
  for (const auto& mistake : s.mistakes) text += "failed: " + mistake + "\n";
  return text;
}

nlohmann::ordered_json to_json(const Summary& s) {
  nlohmann::ordered_json json = {{"completed", s.completed},
                                 {"failed", s.failed},
                                 {"duration", s.seconds},
                                 {"total_input_tokens", s.prompt_tokens},
                                 {"total_cached_tokens", s.cached_tokens},
                                 {"total_output_tokens", s.output_tokens},
                                 {"request_throughput", s.requests_s},
                                 {"output_throughput", s.output_tokens_s},
                                 {"total_token_throughput", s.all_tokens_s}};
  if (s.has_objective) json["request_goodput"] = s.goodput_s;
  add_spread(json, "ttft", s.ttft_ms);
  add_spread(json, "tpot", s.tpot_ms);
  add_spread(json, "itl", s.itl_ms);
  add_spread(json, "e2el", s.e2el_ms);
  json["generator_late_ms_max"] = s.late_ms;
  json["errors"] = s.mistakes;
  return json;
}

}  // namespace baton::bench
