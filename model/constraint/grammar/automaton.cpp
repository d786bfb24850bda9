#include "model/constraint/grammar/automaton.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "model/constraint/grammar/nfa.h"

namespace baton::constraint {

namespace {

using StateSet = std::vector<uint32_t>;  // of the Nfa, ascending

struct SetHash {
  size_t operator()(const StateSet& set) const {
    return std::hash<std::string_view>()(
        std::string_view(reinterpret_cast<const char*>(set.data()), set.size() * sizeof(uint32_t)));
  }
};

Error too_much(std::string_view what, uint64_t most) {
  return fail(ErrorCode::invalid_argument, "it is too large: more than {} {}", most, what);
}

}  // namespace

// The subset construction, rule by rule; calls are letters like bytes.
class Determiniser {
 public:
  Determiniser(const Nfa& nfa, const Limits& limits)
      : nfa_(nfa), limits_(limits), seen_(nfa.states) {}

  Result<Automaton> run() {
    find_classes();
    add_state();  // kDead
    end_state();
    for (const Nfa::Called& rule : nfa_.rules) {
      sets_.clear();
      end_ = rule.end;
      out_.starts_.push_back(state_of({rule.start}));
      while (done_ < todo_.size()) {
        BATON_CHECKED(expand());
      }
    }
    out_.root_ = nfa_.root;
    find_heard();
    return std::move(out_);
  }

 private:
  void find_heard() {
    const bool called = std::ranges::any_of(
        out_.calls_, [&](const Automaton::Call& call) { return call.rule == out_.root_; });
    const size_t first = out_.starts_[out_.root_];
    const size_t last =
        out_.root_ + 1 < out_.starts_.size() ? out_.starts_[out_.root_ + 1] : out_.facts_.size();
    for (size_t s = 0; s < out_.facts_.size(); ++s) {
      const bool heard = called || s < first || s >= last;
      if (heard && (out_.facts_[s] & Automaton::kEnds) != 0) out_.facts_[s] |= Automaton::kHeard;
    }
  }

  // Bytes that no edge tells apart are one class.
  void find_classes() {
    std::array<bool, 257> cut{};
    for (const Nfa::Edge& edge : nfa_.edges) {
      if (edge.kind != Nfa::Edge::Kind::bytes) continue;
      cut[edge.low] = cut[edge.high + 1u] = true;
    }
    uint8_t at = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (byte > 0 && cut[byte]) ++at;
      out_.class_of_[byte] = at;
    }
    out_.classes_ = size_t{at} + 1;
    targets_.resize(out_.classes_);
  }

  void add_state() {
    out_.table_.resize(out_.table_.size() + out_.classes_, kDead);
    out_.facts_.push_back(0);
  }
  void end_state() {
    if (out_.first_call_.empty()) out_.first_call_.push_back(0);
    out_.first_call_.push_back(static_cast<uint32_t>(out_.calls_.size()));
  }

  // Closes the set over edges that read nothing; keeps the states that matter.
  StateSet closure(const StateSet& kernel) {
    stack_.assign(kernel.begin(), kernel.end());
    StateSet closed;
    ++round_;
    for (const uint32_t s : kernel) seen_[s] = round_;
    while (!stack_.empty()) {
      const uint32_t s = stack_.back();
      stack_.pop_back();
      bool matters = s == end_;
      for (uint32_t i = nfa_.from[s]; i < nfa_.from[s + 1]; ++i, ++steps_) {
        const Nfa::Edge& edge = nfa_.edges[i];
        if (edge.kind != Nfa::Edge::Kind::empty) {
          matters = true;
        } else if (seen_[edge.to] != round_) {
          seen_[edge.to] = round_;
          stack_.push_back(edge.to);
        }
      }
      if (matters) closed.push_back(s);
    }
    std::sort(closed.begin(), closed.end());
    return closed;
  }

  State state_of(const StateSet& kernel) {
    StateSet closed = closure(kernel);
    if (closed.empty()) return kDead;
    const auto [found, fresh] = sets_.try_emplace(closed, static_cast<State>(out_.facts_.size()));
    if (fresh && out_.facts_.size() <= limits_.states_max) {
      add_state();
      todo_.push_back(std::move(closed));
    } else if (fresh) {
      overflow_ = true;
    }
    return found->second;
  }

  static void tidy(StateSet& set) {
    std::sort(set.begin(), set.end());
    set.erase(std::unique(set.begin(), set.end()), set.end());
  }

  Result<void> expand() {
    const StateSet set = std::move(todo_[done_]);
    const auto state = static_cast<State>(++done_);  // kDead is 0
    for (StateSet& targets : targets_) targets.clear();
    std::map<uint32_t, StateSet> called;
    for (const uint32_t s : set) {
      if (s == end_) out_.facts_[state] |= Automaton::kEnds;
      for (uint32_t i = nfa_.from[s]; i < nfa_.from[s + 1]; ++i) {
        const Nfa::Edge& edge = nfa_.edges[i];
        if (edge.kind == Nfa::Edge::Kind::call) called[edge.rule].push_back(edge.to);
        if (edge.kind != Nfa::Edge::Kind::bytes) continue;
        const size_t last = out_.class_of_[edge.high];
        for (size_t c = out_.class_of_[edge.low]; c <= last; ++c, ++steps_)
          targets_[c].push_back(edge.to);
      }
    }
    read(state);
    for (auto& [rule, targets] : called) {
      tidy(targets);
      out_.facts_[state] |= Automaton::kCalls;
      out_.calls_.push_back({static_cast<uint16_t>(rule), state_of(targets)});
    }
    end_state();
    if (overflow_) return too_much("states", limits_.states_max);
    if (steps_ > limits_.steps_max) return too_much("steps to compile", limits_.steps_max);
    return {};
  }

  void read(State state) {
    for (size_t c = 0; c < targets_.size(); ++c) {
      if (targets_[c].empty()) continue;
      out_.facts_[state] |= Automaton::kReads;
      State to = kDead;
      if (c > 0 && targets_[c] == former_) {  // as its neighbour, often
        to = former_state_;
      } else {
        former_ = targets_[c];
        StateSet kernel = targets_[c];
        tidy(kernel);
        to = former_state_ = state_of(kernel);
      }
      out_.table_[size_t{state} * out_.classes_ + c] = to;
    }
    former_.clear();
  }

  const Nfa& nfa_;
  const Limits& limits_;
  Automaton out_;
  std::unordered_map<StateSet, State, SetHash> sets_;  // of this rule
  std::vector<StateSet> todo_;                         // by state, less kDead
  size_t done_ = 0;
  uint32_t end_ = 0;
  std::vector<StateSet> targets_;  // [classes]
  StateSet former_;
  State former_state_ = kDead;
  StateSet stack_;
  std::vector<uint32_t> seen_;
  uint32_t round_ = 0;
  uint64_t steps_ = 0;
  bool overflow_ = false;
};

Result<Automaton> Automaton::compile(const Grammar& grammar) {
  BATON_TRY(nfa, build_nfa(grammar));
  return Determiniser(nfa, grammar.limits()).run();
}

size_t Automaton::bytes() const {
  return table_.size() * sizeof(State) + facts_.size() + first_call_.size() * sizeof(uint32_t) +
         calls_.size() * sizeof(Call) + sizeof *this;
}

}  // namespace baton::constraint
