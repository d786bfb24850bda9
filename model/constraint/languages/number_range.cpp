#include "model/constraint/languages/number_range.h"

#include <algorithm>
#include <string>
#include <vector>

namespace baton::constraint {

namespace {

constexpr uint32_t kDigitsMax = 18, kFractionMax = 17;

class Writer {
 public:
  explicit Writer(Grammar& grammar) : grammar_(grammar) {}

  // The size of a number, 0 <= min; `more`: min itself only with a fraction.
  struct Size {
    int64_t min = 0;
    bool more = false;
    std::optional<int64_t> max;
    bool less = false;
  };

  ExpressionId size(const Size& s, bool fractions) {
    std::vector<ExpressionId> ways;
    const int64_t first = s.min + (s.more ? 1 : 0);
    const auto last = s.max ? std::optional(*s.max - (s.less ? 1 : 0)) : std::nullopt;
    ways.push_back(whole(first, last));
    if (fractions) {
      const auto below = s.max ? std::optional(*s.max - 1) : std::nullopt;
      ways.push_back(
          grammar_.sequence({whole(first, below), grammar_.literal("."), digits(1, kFractionMax)}));
      if (s.more && (!below || s.min <= *below)) {
        ways.push_back(
            grammar_.sequence({grammar_.literal(std::to_string(s.min) + "."),
                               digits(0, kFractionMax - 1), grammar_.characters({{'1', '9'}})}));
      }
    }
    return grammar_.choice(std::move(ways));
  }

 private:
  ExpressionId digits(uint32_t min, uint32_t max) {
    return grammar_.repeat(grammar_.characters({{'0', '9'}}), min, max);
  }
  ExpressionId digit(char first, char last) {
    return grammar_.characters({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
  }

  // Whole numbers first..last, without a sign.
  ExpressionId whole(int64_t first, std::optional<int64_t> last) {
    std::vector<ExpressionId> ways;
    if (first <= 0) {
      if (!last || *last >= 0) ways.push_back(grammar_.literal("0"));
      first = 1;
    }
    int64_t low = 1;
    for (uint32_t length = 1; length < kDigitsMax; ++length, low *= 10) {
      const int64_t high = low * 10 - 1;
      const int64_t from = std::max(first, low), to = std::min(last.value_or(high), high);
      if (from <= to) ways.push_back(between(std::to_string(from), std::to_string(to), 0));
    }
    if (!last) {
      ways.push_back(grammar_.sequence({digit('1', '9'), digits(kDigitsMax - 1, kDigitsMax - 1)}));
    }
    return ways.empty() ? grammar_.nothing() : grammar_.choice(std::move(ways));
  }

  // Numbers of as many digits as both bounds; before `at` the bounds are the same and written.
  ExpressionId between(const std::string& low, const std::string& high, size_t at) {
    if (at == low.size()) return grammar_.empty();
    if (low[at] == high[at])
      return grammar_.sequence({digit(low[at], low[at]), between(low, high, at + 1)});
    const auto rest = static_cast<uint32_t>(low.size() - at - 1);
    std::vector<ExpressionId> ways{
        grammar_.sequence({digit(low[at], low[at]), beyond(low, at + 1, true)}),
        grammar_.sequence({digit(high[at], high[at]), beyond(high, at + 1, false)})};
    if (low[at] + 1 < high[at]) {
      ways.push_back(
          grammar_.sequence({digit(static_cast<char>(low[at] + 1), static_cast<char>(high[at] - 1)),
                             digits(rest, rest)}));
    }
    return grammar_.choice(std::move(ways));
  }

  // The digits from `at` on are at least (or at most) the bound's.
  ExpressionId beyond(const std::string& bound, size_t at, bool least) {
    if (at == bound.size()) return grammar_.empty();
    const auto rest = static_cast<uint32_t>(bound.size() - at - 1);
    std::vector<ExpressionId> ways{
        grammar_.sequence({digit(bound[at], bound[at]), beyond(bound, at + 1, least)})};
    if (least && bound[at] < '9') {
      ways.push_back(
          grammar_.sequence({digit(static_cast<char>(bound[at] + 1), '9'), digits(rest, rest)}));
    }
    if (!least && bound[at] > '0') {
      ways.push_back(
          grammar_.sequence({digit('0', static_cast<char>(bound[at] - 1)), digits(rest, rest)}));
    }
    return grammar_.choice(std::move(ways));
  }

  Grammar& grammar_;
};

}  // namespace

ExpressionId number_in(Grammar& grammar, const NumberRange& r) {
  Writer writer(grammar);
  std::vector<ExpressionId> ways;
  if (!r.max || *r.max >= 0) {
    const bool from_zero = !r.min || *r.min < 0;
    ways.push_back(writer.size({.min = from_zero ? 0 : *r.min,
                                .more = !from_zero && r.above_min,
                                .max = r.max,
                                .less = r.below_max},
                               r.fractions));
  }
  if (!r.min || *r.min < 0) {
    const bool to_zero = !r.max || *r.max >= 0;
    ways.push_back(grammar.sequence(
        {grammar.literal("-"), writer.size({.min = to_zero ? 0 : -*r.max,
                                            .more = to_zero || r.below_max,
                                            .max = r.min ? std::optional(-*r.min) : std::nullopt,
                                            .less = r.above_min},
                                           r.fractions)}));
  }
  return ways.empty() ? grammar.nothing() : grammar.choice(std::move(ways));
}

}  // namespace baton::constraint
