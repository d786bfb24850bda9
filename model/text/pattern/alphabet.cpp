#include "model/text/pattern/alphabet.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "model/text/utf8.h"

namespace baton::text::pattern {
namespace {

constexpr char32_t unassigned = code_point_max;  // what a byte that is no UTF-8 counts as

// Every code point at which the membership in some set changes.
std::vector<char32_t> boundaries(const std::vector<const CodePointSet*>& sets) {
  std::vector<char32_t> starts{0};
  for (const auto* set : sets) {
    for (const auto& range : set->ranges()) {
      starts.push_back(range.first);
      if (range.last < code_point_max) starts.push_back(range.last + 1);
    }
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  return starts;
}

}  // namespace

Result<Alphabet> Alphabet::build(const std::vector<ParsedPattern>& patterns) {
  std::vector<const CodePointSet*> sets;
  for (const auto& parts : patterns) {
    for (const auto& part : parts) {
      const auto* set = std::get_if<CodePointSet>(&part);
      if (!set) continue;
      const bool known =
          std::any_of(sets.begin(), sets.end(), [&](const auto* other) { return *other == *set; });
      if (!known) sets.push_back(set);
      if (sets.size() > 256) {
        return fail(ErrorCode::unsupported,
                    "the tokenizer's patterns use more than 256 character sets");
      }
    }
  }

  Alphabet alphabet;
  std::map<std::vector<bool>, uint8_t> symbol_of;  // by membership in each set
  const auto starts = boundaries(sets);
  std::vector<uint8_t> flat(code_point_max + 1);
  for (size_t i = 0; i < starts.size(); ++i) {
    std::vector<bool> membership(sets.size());
    for (size_t s = 0; s < sets.size(); ++s) membership[s] = sets[s]->contains(starts[i]);
    if (!symbol_of.contains(membership)) {
      if (symbol_of.size() == 256) {
        return fail(ErrorCode::unsupported,
                    "the tokenizer's patterns tell more than 256 kinds of characters apart");
      }
      symbol_of.emplace(membership, static_cast<uint8_t>(symbol_of.size()));
      alphabet.representatives_.push_back(starts[i]);
    }
    const char32_t end = i + 1 < starts.size() ? starts[i + 1] : code_point_max + 1;
    std::fill(flat.begin() + starts[i], flat.begin() + end, symbol_of[membership]);
  }

  std::map<std::array<uint8_t, 256>, uint16_t> page_numbers;
  for (size_t page = 0; page < flat.size() / 256; ++page) {
    std::array<uint8_t, 256> content;
    std::copy_n(flat.begin() + static_cast<ptrdiff_t>(page * 256), 256, content.begin());
    const auto [found, added] =
        page_numbers.emplace(content, static_cast<uint16_t>(alphabet.pages_.size()));
    if (added) alphabet.pages_.push_back(content);
    alphabet.page_of_.push_back(found->second);
  }
  return alphabet;
}

SymbolText Alphabet::transcode(std::string_view text) const {
  SymbolText out;
  out.symbols.resize(text.size());
  const auto& ascii = pages_[page_of_[0]];
  size_t i = 0;
  for (; i < text.size() && static_cast<uint8_t>(text[i]) < 0x80; ++i) {
    out.symbols[i] = static_cast<char>(ascii[static_cast<uint8_t>(text[i])]);
  }
  if (i == text.size()) return out;
  // From the first character beyond ASCII on, symbols and bytes are counted apart.
  out.offsets.resize(text.size() + 1);
  for (size_t k = 0; k < i; ++k) out.offsets[k] = static_cast<uint32_t>(k);
  size_t count = i;
  while (i < text.size()) {
    out.offsets[count] = static_cast<uint32_t>(i);
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < 0x80) {
      out.symbols[count++] = static_cast<char>(ascii[byte]);
      ++i;
      continue;
    }
    const Utf8Step step = utf8_step(text.substr(i, 4));
    const bool whole = step.kind == Utf8::whole;
    out.symbols[count++] = static_cast<char>(symbol(whole ? step.code_point : unassigned));
    i += whole ? step.bytes : 1;
  }
  out.offsets[count] = static_cast<uint32_t>(text.size());
  out.offsets.resize(count + 1);
  out.symbols.resize(count);
  return out;
}

std::string Alphabet::rewrite(const ParsedPattern& pattern) const {
  std::string out;
  for (const auto& part : pattern) {
    if (const auto* op = std::get_if<std::string>(&part)) {
      out += *op;
      continue;
    }
    const auto& set = std::get<CodePointSet>(part);
    std::string members;
    for (size_t s = 0; s < representatives_.size(); ++s) {
      if (set.contains(representatives_[s])) members += fmt::format("\\x{:02x}", s);
    }
    out += members.empty() ? "(?!)" : "[" + members + "]";
  }
  return out;
}

}  // namespace baton::text::pattern
