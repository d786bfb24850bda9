#include "parallel/layout.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

namespace baton::parallel {

namespace {

constexpr uint32_t kGroupsMax = 65536;  // with tp's limit, ranks and slots fit 32 bits
constexpr uint32_t kFewMax = 1024;

struct CountKey {
  std::string_view name;
  uint32_t Layout::*field;
  uint32_t least;
  uint32_t most;
};

constexpr std::array<CountKey, 7> kCountKeys = {{
    {"tp", &Layout::tp, 1, kFewMax},
    {"dp", &Layout::dp, 1, kGroupsMax},
    {"redundant", &Layout::redundant, 0, kGroupsMax},
    {"ranks_per_host", &Layout::ranks_per_host, 0, kGroupsMax},
    {"link_delay_us", &Layout::link_delay_us, 0, 1000000},
    {"threads", &Layout::threads, 1, kFewMax},
    {"instances", &Layout::instances, 1, kFewMax},
}};

Result<uint32_t> parse_count(const CountKey& key, std::string_view value) {
  uint32_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size() || count < key.least ||
      count > key.most) {
    return fail(ErrorCode::invalid_argument, "{}={} in a layout must be a number from {} to {}",
                key.name, value, key.least, key.most);
  }
  return count;
}

Result<bool> parse_choice(std::string_view key, std::string_view value, std::string_view no,
                          std::string_view yes) {
  if (value != no && value != yes) {
    return fail(ErrorCode::invalid_argument, "{}={} in a layout must be {} or {}", key, value, no,
                yes);
  }
  return value == yes;
}

Result<void> parse_item(std::string_view key, std::string_view value, Layout& layout) {
  for (const CountKey& known : kCountKeys) {
    if (key != known.name) continue;
    BATON_TRY(count, parse_count(known, value));
    layout.*known.field = count;
    return {};
  }
  if (key == "shared") {
    BATON_TRY(routed, parse_choice(key, value, "replicated", "routed"));
    layout.shared = routed ? SharedExpert::routed : SharedExpert::replicated;
    return {};
  }
  if (key == "overlap") {
    BATON_TRY(on, parse_choice(key, value, "off", "on"));
    layout.overlap = on;
    return {};
  }
  return fail(ErrorCode::invalid_argument,
              "'{}' is no key of a layout; there are tp, dp, redundant, shared, overlap, "
              "ranks_per_host, link_delay_us, threads and instances",
              key);
}

}  // namespace

Result<Layout> parse_layout(std::string_view text) {
  Layout layout;
  const auto plain = [](char c) { return c >= ' ' && c < '\x7f'; };
  if (!std::ranges::all_of(text, plain)) {
    return fail(ErrorCode::invalid_argument, "a layout is KEY=VALUE,... in one line of ASCII");
  }
  const std::string_view whole = text;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      return fail(ErrorCode::invalid_argument, "'{}' in a layout is not KEY=VALUE", item);
    }
    const std::string_view key = item.substr(0, equals);
    BATON_CHECKED(parse_item(key, item.substr(equals + 1), layout));
    // Items so far were read, so an earlier one with this key starts the text or follows a comma.
    const std::string_view before =
        whole.substr(0, static_cast<size_t>(item.data() - whole.data()));
    const std::string again = fmt::format("{}=", key);
    if (before.starts_with(again) || before.find("," + again) != std::string_view::npos) {
      return fail(ErrorCode::invalid_argument, "{} is given twice in a layout", key);
    }
    text.remove_prefix(std::min(text.size(), item.size() + 1));
  }
  return layout;
}

std::string to_string(const Layout& l) {
  return fmt::format(
      "tp={},dp={},redundant={},shared={},overlap={},ranks_per_host={},link_delay_us={},threads={},"
      "instances={}",
      l.tp, l.dp, l.redundant, l.shared == SharedExpert::routed ? "routed" : "replicated",
      l.overlap ? "on" : "off", l.ranks_per_host, l.link_delay_us, l.threads, l.instances);
}

Result<void> check_layout(const Layout& l, const ModelShape& model) {
  const uint32_t sums = std::gcd(model.heads, kPartialSumsMax);
  if (sums % l.tp != 0) {
    return fail(ErrorCode::invalid_argument,
                "tp={} can't divide the model's {} heads; it must divide {}", l.tp, model.heads,
                sums);
  }
  if (l.ranks_per_host % l.tp != 0) {
    return fail(ErrorCode::invalid_argument,
                "ranks_per_host={} must be a multiple of tp={}, because the tp ranks of a group "
                "share a host",
                l.ranks_per_host, l.tp);
  }
  if (l.ranks_per_host != 0 && l.ranks() % l.ranks_per_host != 0) {
    return fail(ErrorCode::invalid_argument,
                "ranks_per_host={} must divide the {} ranks of tp={},dp={}, because hosts are "
                "alike; 0 puts all ranks on one host",
                l.ranks_per_host, l.ranks(), l.tp, l.dp);
  }
  if (l.link_delay_us != 0 && l.hosts() == 1) {
    return fail(ErrorCode::invalid_argument,
                "link_delay_us={} needs several hosts: give ranks_per_host too", l.link_delay_us);
  }
  if (l.shared == SharedExpert::routed && model.shared_experts == 0) {
    return fail(ErrorCode::invalid_argument,
                "shared=routed needs a shared expert, which the model has not; leave it out");
  }
  const uint64_t experts =
      uint64_t{model.routed_experts} + (l.shared == SharedExpert::routed ? 1 : 0);
  if (l.redundant > 0 && (experts + l.redundant) / l.ranks() > 2 * experts) {
    return fail(ErrorCode::invalid_argument,
                "redundant={} gives each of {} ranks more than two slots for each of the model's "
                "{} experts",
                l.redundant, l.ranks(), experts);
  }
  return {};
}

}  // namespace baton::parallel
