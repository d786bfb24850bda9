// Masks: which tokens may follow, for all states of one automaton over one vocabulary.
//
// A mask is worked out once and kept, in two parts. What a state's own rule says of each token
// doesn't depend on who called the rule: a walk over the vocabulary, once a state. Tokens in which
// the rule ends are kept as places in that walk; from there on only the callers decide, and few
// tokens go on there: a short walk, once a state and frame. What is kept is bounded: over the limit
// all of it is dropped and worked out anew. Masks are a function of the automaton, the vocabulary
// and the matcher; end-of-sequence tokens are not in them. Cost: bench/constraint.
// Thread safety: one thread; the automaton and the vocabulary must outlive it.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "model/constraint/matcher.h"
#include "model/constraint/stretches.h"
#include "model/constraint/token_trie.h"

namespace baton::constraint {

struct MaskCounts {
  uint64_t asked = 0;  // masks of readings
  uint64_t states_walked = 0;
  uint64_t frames_walked = 0;
  uint64_t dropped = 0;  // times that all was dropped
  size_t bytes = 0;      // kept now
};

class Masks {
 public:
  static constexpr size_t kBytesMax = size_t{8} << 20;

  Masks(const Automaton& automaton, const TokenTrie& vocabulary, size_t bytes_max = kBytesMax);

  // Sets bit id of `mask` for each token that may follow and clears all others. mask: [words()]
  void fill(const Matcher& matcher, std::span<uint64_t> mask);

  size_t words() const { return vocabulary_.words(); }
  const MaskCounts& counts() const { return counts_; }

 private:
  // Few tokens are kept as a list.
  struct Kept {
    std::vector<TokenId> tokens;
    std::vector<uint64_t> bits;
    size_t bytes() const {
      return tokens.size() * sizeof(TokenId) + bits.size() * 8 + sizeof *this;
    }
  };
  struct OfState {
    Kept certain;                // whoever has called
    std::vector<uint32_t> ends;  // nodes in which the rule ends
  };
  struct Key {
    Digest name;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return key.name.low; }
  };

  static void add(const Kept& kept, std::span<uint64_t> mask);
  const Kept& of_callers(Reading reading, const Frames& frames, const OfState& state);
  const OfState& of_state(State state);
  void walk_state(State state, OfState& to);
  void walk_callers(Reading reading, const Frames& frames, const OfState& state);
  template <class OnEnd>
  void walk(uint32_t begin, uint32_t end, std::span<const Reading> from, const OnEnd& on_end);
  void derive(State state, const OfState& other, uint16_t characters, OfState& to);
  bool skips(State state, const TokenTrie::Node& node);
  void find(const TokenTrie::Node& node);
  Kept keep();
  void make_room();

  const Automaton& automaton_;
  const TokenTrie& vocabulary_;
  const size_t bytes_max_;
  Stepper stepper_;
  Frames frames_;                  // of the walk
  std::vector<Reading> readings_;  // of the walk, all depths one after the other
  std::vector<Reading> before_;
  std::vector<uint32_t> begins_;       // [depth]: of its readings
  std::vector<uint32_t> frame_marks_;  // [depth]
  std::vector<TokenId> found_;
  std::vector<std::unique_ptr<OfState>> states_;  // [automaton states]
  Stretches stretches_;
  std::unordered_map<uint32_t, State> families_;  // of each, the state whose mask is known that
                                                  // reaches farthest
  uint16_t known_characters_ = 0;                 // tokens of no more are left out of a walk
  std::unordered_map<Key, std::unique_ptr<Kept>, KeyHash> frames_kept_;
  MaskCounts counts_;
};

}  // namespace baton::constraint
