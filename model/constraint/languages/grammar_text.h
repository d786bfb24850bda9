// grammar_text: a small EBNF, as llama.cpp's GBNF writes it.
//
//     root   ::= "yes" | "no" ", because " reason+   # a comment
//     reason ::= [a-z ]{1,20} ("." | "!")
//
// A rule is `name ::= alternatives`, to the next one; it may go on over lines. Texts stand in
// double or single quotes with escapes (\n \t \" \\ \xHH \uHHHH), classes in brackets, `.` is any
// character but a line end, ( ) groups, * + ? {m} {m,} {m,n} repeat what is before them. `%json`
// and a schema is a JSON text by that schema; <｜tool▁call▁end｜> and the other markers around
// calls are these tokens, not their spelling. The answer is `root`. Rules may call each other and
// themselves, but not before they have read something. Thread safety: pure functions.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/constraint/grammar/grammar.h"

namespace baton::constraint {

// Declares and defines all of its rules and sets the root.
Result<void> read_grammar(Grammar& grammar, std::string_view text);

}  // namespace baton::constraint
