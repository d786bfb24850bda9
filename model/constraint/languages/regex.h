// regex: a regular expression as an expression of a grammar.
//
// Understood, as ECMAScript has it: characters and escapes, `.`, classes, \d \w \s and their
// opposites (ASCII, but \s), \p{..}, groups with or without a name, `|`, `* + ? {m} {m,} {m,n}`,
// lazy or not (the same texts either way), ^ at the beginning and $ at the end of an alternative of
// the whole. What no automaton of this kind can do is refused by name: look-around,
// back-references, \b, possessive quantifiers, flags. Thread safety: pure functions.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "model/constraint/grammar/grammar.h"

namespace baton::constraint {

struct RegexOptions {
  // The pattern may match anywhere in the text, unless it is anchored; else it is the whole text.
  bool search = false;
  // How one character of a set is spelled; by default as itself.
  std::function<ExpressionId(Grammar&, const CodePointSet&)> spell = {};
  // Any text at all, before and after what is searched for.
  std::function<ExpressionId(Grammar&)> anything = {};
};

Result<ExpressionId> read_regex(Grammar& grammar, std::string_view pattern,
                                const RegexOptions& options = {});

}  // namespace baton::constraint
