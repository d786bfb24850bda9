// number_range: the JSON numbers between two whole numbers, as an expression.
//
// Integers have no fraction and no exponent; other numbers may have a fraction. -0 is not written.
// Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <optional>

#include "model/constraint/grammar/grammar.h"

namespace baton::constraint {

struct NumberRange {
  std::optional<int64_t> min, max;            // none: unbounded; within +-kBoundMax
  bool above_min = false, below_max = false;  // the bound itself is left out
  bool fractions = false;
};

constexpr int64_t kBoundMax = 99'999'999'999'999'999;

// An empty range gives an expression that nothing matches.
ExpressionId number_in(Grammar& grammar, const NumberRange& range);

}  // namespace baton::constraint
