// Alphabet: gives every code point a one-byte symbol, so that code points that no pattern tells
// apart share one.
//
// A tokenizer's patterns use a few dozen character sets. Rewritten to symbols they need no Unicode
// at all: a class is a bitmap, a text is a string of bytes, and the property tables are ours.
// Bytes that are no UTF-8 count as one unassigned code point each.
// Thread safety: const after build.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/pattern/syntax.h"

namespace baton::text::pattern {

// A text as symbols. offsets: byte offset of each symbol and of the end; empty if they are equal.
struct SymbolText {
  std::string symbols;
  std::vector<uint32_t> offsets;

  uint32_t byte_offset(size_t symbol) const {
    return offsets.empty() ? static_cast<uint32_t>(symbol) : offsets[symbol];
  }
};

class Alphabet {
 public:
  // Refused if the patterns tell more than 256 kinds of characters apart.
  static Result<Alphabet> build(const std::vector<ParsedPattern>& patterns);

  uint8_t symbol(char32_t c) const { return pages_[page_of_[c >> 8]][c & 0xFF]; }
  SymbolText transcode(std::string_view text) const;
  // The pattern over symbols, in the syntax of PCRE2 without its UTF mode.
  std::string rewrite(const ParsedPattern& pattern) const;

 private:
  std::vector<std::array<uint8_t, 256>> pages_;
  std::vector<uint16_t> page_of_;          // [0x1100]
  std::vector<char32_t> representatives_;  // one code point of each symbol
};

}  // namespace baton::text::pattern
