// Id<Tag, Rep>: an integer that is a type. Ids of different things don't mix.
// Thread safety: values.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace baton {

template <class Tag, class Rep>
struct Id {
  using rep = Rep;
  Rep value = 0;

  constexpr Id() = default;
  constexpr explicit Id(Rep v) : value(v) {}
  friend constexpr auto operator<=>(Id, Id) = default;
};

}  // namespace baton

template <class Tag, class Rep>
struct std::hash<baton::Id<Tag, Rep>> {
  size_t operator()(baton::Id<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value); }
};
