#include "model/constraint/language.h"

#include <utility>

namespace baton::constraint {

Language::Language(Automaton automaton, const TokenTrie& vocabulary)
    : automaton_(std::move(automaton)), vocabulary_(vocabulary), masks_(automaton_, vocabulary_) {}

Result<std::unique_ptr<Language>> Language::compile(Form form, std::string_view text,
                                                    const TokenTrie& vocabulary) {
  BATON_TRY(automaton, constraint::compile(form, text));
  return std::unique_ptr<Language>(new Language(std::move(automaton), vocabulary));
}

}  // namespace baton::constraint
