// Language: a specification over a vocabulary: its automaton, and the masks that are known of it.
//
// What decode keeps of a form that answers must have. Compiling takes milliseconds to a fraction of
// a second and is done beside the steps; using it allocates only where a mask is new.
// Thread safety: one thread at a time; the vocabulary must outlive it.
#pragma once

#include <memory>

#include "model/constraint/masks.h"
#include "model/constraint/specification.h"

namespace baton::constraint {

class Language {
 public:
  static Result<std::unique_ptr<Language>> compile(Form form, std::string_view text,
                                                   const TokenTrie& vocabulary);
  Language(const Language&) = delete;
  Language& operator=(const Language&) = delete;

  const Automaton& automaton() const { return automaton_; }
  const TokenTrie& vocabulary() const { return vocabulary_; }
  Masks& masks() { return masks_; }

 private:
  Language(Automaton automaton, const TokenTrie& vocabulary);

  const Automaton automaton_;
  const TokenTrie& vocabulary_;
  Masks masks_;
};

}  // namespace baton::constraint
