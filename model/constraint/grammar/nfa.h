// Nfa: a grammar's rules as graphs of states, ready to be made deterministic.
//
// An edge reads a byte of a range, or nothing, or calls a rule. Rules that are small or used once,
// and don't call themselves, are copied to where they are used; the others are called. Where a
// called rule may be empty, an edge that reads nothing goes past the call; so a call always reads
// at least a byte. Every state lies on a way from a start to an end of its rule. Rules are in an
// order in which each may call, before it has read a byte, only later ones. Thread safety: values.
#pragma once

#include <vector>

#include "base/result.h"
#include "model/constraint/grammar/grammar.h"

namespace baton::constraint {

struct Nfa {
  struct Edge {
    enum class Kind : uint8_t { empty, bytes, call };
    Kind kind = Kind::empty;
    uint8_t low = 0, high = 0;  // of bytes
    uint32_t to = 0;
    uint32_t rule = 0;  // of a call: index into `rules`
  };
  struct Called {
    uint32_t start = 0, end = 0;
  };
  uint32_t states = 0;
  std::vector<Edge> edges;     // by state
  std::vector<uint32_t> from;  // [states + 1]: where each state's edges begin
  std::vector<Called> rules;   // the root's index is `root`
  uint32_t root = 0;
};

// Fails where the grammar is over a limit, where a rule has no body or can't come to an end, or
// where one calls itself before it has read anything.
Result<Nfa> build_nfa(const Grammar& grammar);

}  // namespace baton::constraint
