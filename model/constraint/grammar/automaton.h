// Automaton: a grammar compiled: a deterministic table of bytes for each of its called rules.
//
// A state belongs to one rule. It says where each byte leads, which rules may be called there and
// where to go on after each, and whether the rule may end there. Between calls and bytes there may
// be a choice, so a text can be read in several ways at once (Matcher). Every state but kDead leads
// to its rule's end. A rule calls, before it has read a byte, only rules with higher numbers, and a
// call reads at least one byte. Compiling is a pure function of the grammar, bounded by its limits.
// Memory: states * byte classes * 2 bytes. Thread safety: const after compile.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/constraint/grammar/grammar.h"

namespace baton::constraint {

using State = uint16_t;
constexpr State kDead = 0;

class Automaton {
 public:
  struct Call {
    uint16_t rule = 0;
    State after = kDead;
  };

  static Result<Automaton> compile(const Grammar& grammar);

  State next(State state, uint8_t byte) const {
    return table_[size_t{state} * classes_ + class_of_[byte]];
  }
  size_t classes() const { return classes_; }  // of bytes that no state tells apart
  size_t class_of(uint8_t byte) const { return class_of_[byte]; }
  State next_of_class(State state, size_t byte_class) const {
    return table_[size_t{state} * classes_ + byte_class];
  }
  // No calls, and not an end: reading on is all that there is.
  bool plain(State state) const { return (facts_[state] & (kEnds | kCalls)) == 0; }
  // The same for a state of the root, if nobody calls the root: nobody waits for its end.
  bool goes_on(State state) const { return (facts_[state] & (kHeard | kCalls)) == 0; }
  bool ends(State state) const { return (facts_[state] & kEnds) != 0; }
  bool reads(State state) const { return (facts_[state] & kReads) != 0; }  // some byte
  bool only_ends(State state) const { return (facts_[state] & ~kHeard) == kEnds; }
  std::span<const Call> calls(State state) const {
    return std::span(calls_).subspan(first_call_[state],
                                     first_call_[state + 1u] - first_call_[state]);
  }

  size_t states() const { return facts_.size(); }
  size_t rules() const { return starts_.size(); }
  State start(size_t rule) const { return starts_[rule]; }
  State root() const { return starts_[root_]; }
  size_t bytes() const;  // of memory

 private:
  friend class Determiniser;
  // kHeard: somebody who has called goes on when the rule ends here.
  static constexpr uint8_t kEnds = 1, kCalls = 2, kReads = 4, kHeard = 8;

  std::array<uint8_t, 256> class_of_{};
  size_t classes_ = 1;
  std::vector<State> table_;          // [states, classes]
  std::vector<uint8_t> facts_;        // [states]
  std::vector<uint32_t> first_call_;  // [states + 1]
  std::vector<Call> calls_;
  std::vector<State> starts_;  // [rules]
  size_t root_ = 0;
};

}  // namespace baton::constraint
