// Specification: what form an answer must have, as text, and the automaton that it means.
//
// Whoever compiles the same specification, gateway or decode, gets the same automaton or the same
// refusal: compiling is a pure function within fixed limits. Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/constraint/grammar/automaton.h"
#include "proto/request.h"

namespace baton::constraint {

using Form = ConstraintParams::Form;

// The sentence of a refusal begins with the form's name and says what can't be kept. `text` is not
// looked at for json_object; for choice it is a JSON list of texts.
Result<Automaton> compile(Form form, std::string_view text, const Limits& limits = {});

std::string_view to_string(Form form);

}  // namespace baton::constraint
