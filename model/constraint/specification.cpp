#include "model/constraint/specification.h"

#include "model/checkpoint/strict_json.h"
#include "model/constraint/languages/grammar_text.h"
#include "model/constraint/languages/regex.h"
#include "model/constraint/languages/schema.h"

namespace baton::constraint {

namespace {

Result<void> read_choice(Grammar& grammar, std::string_view text) {
  const Limits& limits = grammar.limits();
  if (text.size() > limits.text_bytes_max)
    return fail(ErrorCode::invalid_argument, "it is longer than {} bytes", limits.text_bytes_max);
  BATON_TRY(list, checkpoint::parse_strict_json(text, "the list", {.depth_max = 2}));
  if (!list.is_array() || list.empty() || list.size() > limits.choices_max)
    return fail(ErrorCode::invalid_argument, "a list of 1 to {} texts is expected",
                limits.choices_max);
  std::vector<std::string> texts;
  for (const auto& each : list) {
    if (!each.is_string()) return fail(ErrorCode::invalid_argument, "a choice must be a text");
    texts.push_back(each);
  }
  const RuleId root = grammar.declare("root");
  grammar.define(root, grammar.one_of(std::move(texts)));
  grammar.set_root(root);
  return {};
}

Result<void> read(Grammar& grammar, Form form, std::string_view text) {
  switch (form) {
    case Form::json_object:
      read_any_object(grammar);
      return {};
    case Form::json_schema:
      return read_schema(grammar, text);
    case Form::regex: {
      const RuleId root = grammar.declare("root");
      BATON_TRY(body, read_regex(grammar, text));
      grammar.define(root, body);
      grammar.set_root(root);
      return {};
    }
    case Form::choice:
      return read_choice(grammar, text);
    case Form::grammar:
      return read_grammar(grammar, text);
  }
  return fail(ErrorCode::unsupported, "an unknown form");
}

}  // namespace

std::string_view to_string(Form form) {
  switch (form) {
    case Form::json_object:
      return "json_object";
    case Form::json_schema:
      return "json_schema";
    case Form::regex:
      return "regex";
    case Form::choice:
      return "choice";
    case Form::grammar:
      return "grammar";
  }
  return "unknown";
}

Result<Automaton> compile(Form form, std::string_view text, const Limits& limits) {
  const auto named = [&](const Error& error) {
    return fail(ErrorCode::invalid_argument, "{}: {}", to_string(form), error.message);
  };
  Grammar grammar(limits);
  if (const auto done = read(grammar, form, text); !done) return named(done.error());
  auto automaton = Automaton::compile(grammar);
  if (!automaton) return named(automaton.error());
  return automaton;
}

}  // namespace baton::constraint
