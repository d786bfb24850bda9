#include "parallel/layout.h"

#include <charconv>

namespace baton::parallel {

namespace {

Result<uint32_t> parse_count(std::string_view key, std::string_view value, uint32_t most) {
  uint32_t count = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (error != std::errc() || end != value.data() + value.size() || count == 0 || count > most) {
    return fail(ErrorCode::invalid_argument, "{}={} in a layout must be a number from 1 to {}", key,
                value, most);
  }
  return count;
}

}  // namespace

Result<Layout> parse_layout(std::string_view text) {
  Layout layout;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      return fail(ErrorCode::invalid_argument, "'{}' in a layout is not KEY=NUMBER", item);
    }
    const std::string_view key = item.substr(0, equals);
    uint32_t* field = key == "tp"          ? &layout.tp
                      : key == "dp"        ? &layout.dp
                      : key == "threads"   ? &layout.threads
                      : key == "instances" ? &layout.instances
                                           : nullptr;
    if (field == nullptr) {
      return fail(ErrorCode::invalid_argument,
                  "'{}' is no key of a layout; there are tp, dp, threads and instances", key);
    }
    BATON_TRY(count, parse_count(key, item.substr(equals + 1), 1024));
    *field = count;
  }
  return layout;
}

std::string to_string(const Layout& l) {
  return fmt::format("tp={},dp={},threads={},instances={}", l.tp, l.dp, l.threads, l.instances);
}

Result<void> check_layout(const Layout& layout) {
  if (layout.ranks() != 1) {
    return fail(ErrorCode::unsupported,
                "tp={},dp={} needs {} ranks an instance; this version runs one rank (tp=1,dp=1), "
                "and more of them as instances=N",
                layout.tp, layout.dp, layout.ranks());
  }
  return {};
}

}  // namespace baton::parallel
