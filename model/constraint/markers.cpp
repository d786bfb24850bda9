#include "model/constraint/markers.h"

#include <algorithm>

namespace baton::constraint {

namespace {

constexpr std::string_view kSpelled[] = {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
                                         "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
                                         "<｜tool▁sep｜>"};
constexpr std::string_view kBytes = "\xF8\xF9\xFA\xFB\xFC";
static_assert(kBytes.size() == std::size(kSpelled));

}  // namespace

std::string_view marker_byte(std::string_view spelled) {
  const auto* const found = std::ranges::find(kSpelled, spelled);
  if (found == std::end(kSpelled)) return {};
  return kBytes.substr(static_cast<size_t>(found - std::begin(kSpelled)), 1);
}

bool holds_marker_byte(std::string_view bytes) {
  return bytes.find_first_of(kBytes) != std::string_view::npos;
}

}  // namespace baton::constraint
