// Stretches: where one character is as good as another, and where states only count.
//
// Inside of a text, characters of many kinds lead to one and the same next state; tokens made of
// them need no look at each byte. And the states of a counted repetition ("at most 100 characters")
// do alike but for the distance to its end: a token of few characters can't tell them apart.
// What is known of a state is worked out when it is asked for. Thread safety: one thread; the
// automaton must outlive it.
#pragma once

#include <vector>

#include "model/constraint/grammar/automaton.h"
#include "model/constraint/token_trie.h"

namespace baton::constraint {

class Stretches {
 public:
  struct Stretch {
    // So many characters of these kinds, whichever they are, can be read from here, one after the
    // other, and all that happens is to come from `next` to `next`.
    ByteKinds kinds = 0;
    State next = kDead;
    uint16_t characters = 0;
    // What begins with at most `reach` characters is read alike by all of a family with that reach.
    uint16_t reach = 0;
    uint32_t family = 0;  // 0: none
    bool known = false;
  };

  // characters_max: more than that are never read at once.
  Stretches(const Automaton& automaton, uint16_t characters_max);

  const Stretch& of(State state);

 private:
  void find_step(State state);
  State after_character(State state) const;
  struct Pair {
    State a = kDead, b = kDead;
    unsigned characters = 0;  // up to which they do alike
  };
  bool alike(State a, State b, unsigned depth, unsigned read);
  bool related(State a, State b, unsigned characters) const;

  const Automaton& automaton_;
  const uint16_t most_;
  std::vector<Stretch> stretches_;  // [automaton states]
  uint32_t families_ = 0;
  std::vector<bool> begins_;  // [classes]: each byte of it begins a character
  // What alike() is asked for: the states behind the two, and up to how many characters.
  State next_a_ = kDead, next_b_ = kDead;
  unsigned asked_ = 0;
  // States beside the way that do alike, of this step of it and of the one behind, so that each
  // step looks at its own only.
  std::vector<Pair> pairs_, pairs_behind_;
};

}  // namespace baton::constraint
