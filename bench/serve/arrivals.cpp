#include "bench/serve/arrivals.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/hash/counter_rng.h"

namespace baton::bench {
namespace {

constexpr uint32_t kTraceBlock = 512;

double uniform(SeededRandom& random) {  // in (0, 1]
  return (static_cast<double>(random.next() >> 11) + 1) * 0x1.0p-53;
}

uint32_t around(uint32_t length, double range, SeededRandom& random) {
  const double factor = 1 - range + 2 * range * uniform(random);
  return std::max(1u, static_cast<uint32_t>(std::lround(length * factor)));
}

Result<Arrival> read_line(std::string_view line, const TraceArrivals& options) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  const auto number = [&](const char* key) -> std::optional<double> {
    const auto found = json.is_object() ? json.find(key) : json.end();
    if (!json.is_object() || found == json.end() || !found->is_number()) return std::nullopt;
    return found->get<double>();
  };
  const auto time_ms = number("timestamp");
  const auto input = number("input_length");
  const auto output = number("output_length");
  if (!time_ms || !input || !output || *time_ms < 0 || *input < 1 || *output < 0) {
    return fail(ErrorCode::invalid_argument,
                "it needs timestamp, input_length (1 or more) and output_length");
  }
  const auto ids = json.find("hash_ids");
  if (ids == json.end() || !ids->is_array() ||
      !std::ranges::all_of(*ids, [](const auto& id) { return id.is_number_unsigned(); })) {
    return fail(ErrorCode::invalid_argument, "hash_ids must be a list of numbers");
  }
  Arrival arrival;
  arrival.at = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, std::milli>(*time_ms / options.speed));
  arrival.block_tokens = kTraceBlock / options.divide;
  arrival.input_tokens = std::max(1u, static_cast<uint32_t>(*input) / options.divide);
  arrival.output_tokens = std::max(1u, static_cast<uint32_t>(*output) / options.divide);
  arrival.blocks = ids->get<std::vector<uint64_t>>();
  const size_t needed = (arrival.input_tokens + arrival.block_tokens - 1) / arrival.block_tokens;
  if (arrival.blocks.size() < needed) {
    return fail(ErrorCode::invalid_argument, "{} hash_ids don't cover {} tokens",
                arrival.blocks.size(), *input);
  }
  return arrival;
}

}  // namespace

std::vector<Arrival> random_arrivals(const RandomArrivals& o) {
  SeededRandom random(o.seed);
  std::vector<Arrival> all;
  double at = 0;
  for (uint32_t i = 0; i < o.requests; ++i) {
    if (o.rate > 0) at -= std::log(uniform(random)) / o.rate;
    Arrival a;
    a.at = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(at));
    a.input_tokens = around(o.input_tokens, o.range, random);
    a.output_tokens = around(o.output_tokens, o.range, random);
    // Blocks of one token would be a name a token; one of the prefix's length gives two names.
    a.block_tokens = o.prefix_tokens == 0 ? a.input_tokens : o.prefix_tokens;
    const uint32_t count = (a.input_tokens + a.block_tokens - 1) / a.block_tokens;
    for (uint32_t b = 0; b < count; ++b) {
      a.blocks.push_back(b == 0 && o.prefix_tokens != 0 ? o.seed : random.next());
    }
    all.push_back(std::move(a));
  }
  return all;
}

Result<std::vector<Arrival>> trace_arrivals(std::string_view text, const TraceArrivals& options) {
  if (options.divide == 0 || kTraceBlock % options.divide != 0) {
    return fail(ErrorCode::invalid_argument, "a trace's lengths can be divided by divisors of {}",
                kTraceBlock);
  }
  std::vector<Arrival> all;
  for (size_t number = 1; !text.empty(); ++number) {
    if (options.requests != 0 && all.size() == options.requests) break;
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto arrival = read_line(line, options);
    if (!arrival) {
      return fail(arrival.error().code, "line {} of the trace: {}", number,
                  arrival.error().message);
    }
    all.push_back(*std::move(arrival));
  }
  std::ranges::stable_sort(all, {}, &Arrival::at);
  return all;
}

std::vector<uint32_t> prompt_of(const Arrival& arrival, const std::vector<uint32_t>& vocabulary) {
  check(!vocabulary.empty(), "prompts are drawn from some tokens");
  std::vector<uint32_t> tokens;
  tokens.reserve(arrival.input_tokens);
  for (const uint64_t block : arrival.blocks) {
    SeededRandom random(block * 0x9e3779b97f4a7c15u + 1);
    for (uint32_t t = 0; t < arrival.block_tokens && tokens.size() < arrival.input_tokens; ++t) {
      tokens.push_back(vocabulary[random.below(vocabulary.size())]);
    }
  }
  return tokens;
}

}  // namespace baton::bench
