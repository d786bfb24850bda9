// CodePointSet: a set of Unicode code points as sorted ranges, with the algebra of character
// classes. Invariant: ranges are ascending, disjoint and not adjacent.
// Thread safety: values.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace baton::text::pattern {

inline constexpr char32_t code_point_max = 0x10FFFF;

struct CodePointRange {
  char32_t first;
  char32_t last;  // included

  bool operator==(const CodePointRange&) const = default;
};

class CodePointSet {
 public:
  CodePointSet() = default;
  CodePointSet(std::initializer_list<CodePointRange> ranges) : CodePointSet(std::vector(ranges)) {}
  // Ranges in any order, overlapping or not.
  explicit CodePointSet(std::vector<CodePointRange> ranges);

  static CodePointSet of(char32_t c) { return {{c, c}}; }
  static CodePointSet all() { return {{0, code_point_max}}; }

  const std::vector<CodePointRange>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool contains(char32_t c) const;

  CodePointSet operator|(const CodePointSet& other) const;
  CodePointSet operator&(const CodePointSet& other) const;
  CodePointSet operator~() const;

  bool operator==(const CodePointSet&) const = default;

 private:
  std::vector<CodePointRange> ranges_;
};

}  // namespace baton::text::pattern
