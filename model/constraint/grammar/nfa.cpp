#include "model/constraint/grammar/nfa.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "model/constraint/grammar/rule_plan.h"
#include "model/constraint/grammar/utf8_ranges.h"

namespace baton::constraint {

namespace {

using Kind = Expression::Kind;

struct LooseEdge {
  uint32_t from = 0;
  Nfa::Edge edge;
};

class Builder {
 public:
  Builder(const Grammar& grammar, const RulePlan& plan) : grammar_(grammar), plan_(plan) {}

  uint32_t state() { return states_++; }
  bool full() const { return states_ + edges_.size() > grammar_.limits().nfa_states_max; }

  // Ways from `from` to `to` for all texts of the expression.
  void add(ExpressionId id, uint32_t from, uint32_t to) {
    if (full()) return;
    const Expression& e = grammar_[id];
    switch (e.kind) {
      case Kind::nothing:
        return;
      case Kind::literal:
        return add_literal(e.bytes, from, to);
      case Kind::set:
        return add_set(e.set, from, to);
      case Kind::literals:
        return add_literals(e.texts, from, to);
      case Kind::sequence:
        return add_sequence(e.parts, from, to);
      case Kind::choice:
        for (const ExpressionId part : e.parts) add(part, from, to);
        return;
      case Kind::repeat:
        return add_repeat(e, from, to);
      case Kind::list:
        return add_list(e, from, to);
      case Kind::rule:
        return add_rule(e.rule, from, to);
    }
  }

  uint32_t states() const { return states_; }
  std::vector<LooseEdge>& edges() { return edges_; }

 private:
  void skip(uint32_t from, uint32_t to) { edges_.push_back({from, {.to = to}}); }
  void read(uint32_t from, ByteRange range, uint32_t to) {
    edges_.push_back(
        {from, {.kind = Nfa::Edge::Kind::bytes, .low = range.low, .high = range.high, .to = to}});
  }
  void read(uint32_t from, char c, uint32_t to) {
    read(from, {static_cast<uint8_t>(c), static_cast<uint8_t>(c)}, to);
  }

  void add_literal(std::string_view bytes, uint32_t from, uint32_t to) {
    if (bytes.empty()) return skip(from, to);
    for (size_t i = 0; i < bytes.size(); ++i) {
      const uint32_t next = i + 1 == bytes.size() ? to : state();
      read(from, bytes[i], next);
      from = next;
    }
  }

  // Sequences that end alike share their last states.
  void add_set(const CodePointSet& set, uint32_t from, uint32_t to) {
    std::map<std::tuple<uint8_t, uint8_t, uint32_t>, uint32_t> tails;
    for (const ByteSequence& sequence : utf8_ranges(set)) {
      uint32_t next = to;
      for (size_t i = sequence.length; i-- > 1;) {
        const ByteRange range = sequence.ranges[i];
        const auto [found, fresh] = tails.try_emplace({range.low, range.high, next});
        if (fresh) {
          found->second = state();
          read(found->second, range, next);
        }
        next = found->second;
      }
      read(from, sequence.ranges[0], next);
    }
  }

  // Texts that begin alike share their first states.
  void add_literals(std::vector<std::string> texts, uint32_t from, uint32_t to) {
    std::sort(texts.begin(), texts.end());
    std::vector<uint32_t> path{from};  // after each byte of the text before
    std::string_view former;
    for (const std::string& text : texts) {
      if (text.empty()) skip(from, to);
      const size_t common = static_cast<size_t>(
          std::mismatch(text.begin(), text.end(), former.begin(), former.end()).first -
          text.begin());
      path.resize(common + 1);
      for (size_t i = common; i < text.size(); ++i) {
        path.push_back(state());
        read(path[i], text[i], path[i + 1]);
      }
      if (!text.empty() && text != former) skip(path.back(), to);
      former = text;
    }
  }

  void add_sequence(const std::vector<ExpressionId>& parts, uint32_t from, uint32_t to) {
    if (parts.empty()) return skip(from, to);
    for (size_t i = 0; i < parts.size(); ++i) {
      const uint32_t next = i + 1 == parts.size() ? to : state();
      add(parts[i], from, next);
      from = next;
    }
  }

  void add_repeat(const Expression& e, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < e.min && !full(); ++i) {
      const uint32_t next = state();
      add(e.parts[0], from, next);
      from = next;
    }
    if (e.max == kUnbounded) {
      const uint32_t loop = state();
      skip(from, loop);
      add(e.parts[0], loop, loop);
      return skip(loop, to);
    }
    for (uint32_t i = e.min; i < e.max && !full(); ++i) {
      const uint32_t next = state();
      skip(from, to);
      add(e.parts[0], from, next);
      from = next;
    }
    skip(from, to);
  }

  // `none`: before any item; `some`: after one.
  void add_list(const Expression& e, uint32_t from, uint32_t to) {
    const auto required = [](const ListItem& item) { return item.required; };
    if (std::none_of(e.items.begin(), e.items.end(), required)) skip(from, to);
    if (e.items.empty()) return;
    std::optional<uint32_t> none = state(), some;
    add(e.parts[0], from, *none);
    for (const ListItem& item : e.items) {
      const uint32_t begin = state(), end = state();
      if (none) skip(*none, begin);
      if (some) add(e.parts[1], *some, begin);
      add(item.expression, begin, end);
      if (item.repeats) add(e.parts[1], end, begin);
      if (item.required) none.reset();
      if (some && !item.required) skip(*some, end);
      some = end;
    }
    add(e.parts[2], *some, to);
  }

  void add_rule(RuleId id, uint32_t from, uint32_t to) {
    const uint32_t called = plan_.called[static_cast<size_t>(id)];
    if (called == RulePlan::kCopied) return add(grammar_[id].body, from, to);
    edges_.push_back({from, {.kind = Nfa::Edge::Kind::call, .to = to, .rule = called}});
    if (plan_.nullable[static_cast<size_t>(id)]) skip(from, to);
  }

  const Grammar& grammar_;
  const RulePlan& plan_;
  uint32_t states_ = 0;
  std::vector<LooseEdge> edges_;
};

Error too_large(std::string_view what) {
  return fail(ErrorCode::invalid_argument, "it is too large: {}", what);
}

// Which states lead to the end of their rule: backwards from the ends; a call is passable once the
// called rule's start is known to lead to its end.
std::vector<bool> useful_states(const Nfa& nfa, const std::vector<LooseEdge>& edges) {
  std::vector<uint32_t> first(nfa.states + 1), into(edges.size());
  for (const auto& e : edges) ++first[e.edge.to + 1];
  for (uint32_t s = 0; s < nfa.states; ++s) first[s + 1] += first[s];
  std::vector<uint32_t> fill(first.begin(), first.end() - 1);
  for (uint32_t i = 0; i < edges.size(); ++i) into[fill[edges[i].edge.to]++] = i;

  std::vector<bool> useful(nfa.states);
  std::vector<std::vector<uint32_t>> waiting(nfa.rules.size());  // states before a call of the rule
  std::vector<std::vector<uint32_t>> starts(nfa.rules.size());
  std::map<uint32_t, uint32_t> rule_of_start;
  for (uint32_t r = 0; r < nfa.rules.size(); ++r) rule_of_start[nfa.rules[r].start] = r;
  std::vector<uint32_t> found;
  const auto mark = [&](uint32_t state) {
    if (useful[state]) return;
    useful[state] = true;
    found.push_back(state);
  };
  for (const Nfa::Called& rule : nfa.rules) mark(rule.end);
  while (!found.empty()) {
    const uint32_t state = found.back();
    found.pop_back();
    for (uint32_t i = first[state]; i < first[state + 1]; ++i) {
      const LooseEdge& e = edges[into[i]];
      const bool call = e.edge.kind == Nfa::Edge::Kind::call;
      if (call && !useful[nfa.rules[e.edge.rule].start])
        waiting[e.edge.rule].push_back(e.from);
      else
        mark(e.from);
    }
    if (const auto rule = rule_of_start.find(state); rule != rule_of_start.end()) {
      for (const uint32_t before : std::exchange(waiting[rule->second], {})) mark(before);
    }
  }
  return useful;
}

// Keeps the edges between useful states, in the order of the states they leave.
void settle(Nfa& nfa, const std::vector<LooseEdge>& edges) {
  const std::vector<bool> useful = useful_states(nfa, edges);
  const auto keep = [&](const LooseEdge& e) {
    return useful[e.from] && useful[e.edge.to] &&
           (e.edge.kind != Nfa::Edge::Kind::call || useful[nfa.rules[e.edge.rule].start]);
  };
  nfa.from.assign(nfa.states + 1, 0);
  for (const auto& e : edges) nfa.from[e.from + 1] += keep(e) ? 1 : 0;
  for (uint32_t s = 0; s < nfa.states; ++s) nfa.from[s + 1] += nfa.from[s];
  nfa.edges.resize(nfa.from.back());
  std::vector<uint32_t> fill(nfa.from.begin(), nfa.from.end() - 1);
  for (const auto& e : edges) {
    if (keep(e)) nfa.edges[fill[e.from]++] = e.edge;
  }
}

// Rules that a rule may call before it has read anything.
std::vector<uint32_t> called_first(const Nfa& nfa, uint32_t rule) {
  std::vector<uint32_t> calls, todo{nfa.rules[rule].start};
  std::map<uint32_t, bool> seen{{nfa.rules[rule].start, true}};
  while (!todo.empty()) {
    const uint32_t state = todo.back();
    todo.pop_back();
    for (uint32_t i = nfa.from[state]; i < nfa.from[state + 1]; ++i) {
      const Nfa::Edge& edge = nfa.edges[i];
      if (edge.kind == Nfa::Edge::Kind::call) calls.push_back(edge.rule);
      if (edge.kind == Nfa::Edge::Kind::empty && seen.try_emplace(edge.to, true).second)
        todo.push_back(edge.to);
    }
  }
  std::sort(calls.begin(), calls.end());
  calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
  return calls;
}

// A depth-first walk over these calls; the order in which rules are left, reversed, is the order
// wanted. Returns the rule that calls itself, if there is one.
class Sorter {
 public:
  explicit Sorter(const Nfa& nfa) : nfa_(nfa), mark_(nfa.rules.size()) {
    for (uint32_t r = 0; r < nfa.rules.size(); ++r) calls_.push_back(called_first(nfa, r));
  }

  std::optional<uint32_t> sort() {
    for (uint32_t r = 0; r < calls_.size(); ++r) {
      if (!visit(r)) return loop_;
    }
    std::reverse(order_.begin(), order_.end());
    return std::nullopt;
  }
  const std::vector<uint32_t>& order() const { return order_; }

 private:
  bool visit(uint32_t rule) {
    if (mark_[rule] == 2) return true;
    if (mark_[rule] == 1) {
      loop_ = rule;
      return false;
    }
    mark_[rule] = 1;
    for (const uint32_t called : calls_[rule]) {
      if (!visit(called)) return false;
    }
    mark_[rule] = 2;
    order_.push_back(rule);
    return true;
  }

  const Nfa& nfa_;
  std::vector<std::vector<uint32_t>> calls_;
  std::vector<uint8_t> mark_;
  std::vector<uint32_t> order_;
  uint32_t loop_ = 0;
};

}  // namespace

Result<Nfa> build_nfa(const Grammar& grammar) {
  if (grammar.too_large()) return too_large("more parts than a grammar may have");
  BATON_TRY(plan, plan_rules(grammar));
  Builder builder(grammar, plan);
  Nfa nfa;
  for (const RuleId id : plan.rules) {
    const uint32_t start = builder.state(), end = builder.state();
    builder.add(grammar[id].body, start, end);
    nfa.rules.push_back({start, end});
  }
  if (builder.full()) return too_large("more states than an automaton may have");
  nfa.states = builder.states();
  settle(nfa, builder.edges());
  const auto empty = [&](uint32_t rule) {
    return nfa.from[nfa.rules[rule].start] == nfa.from[nfa.rules[rule].start + 1];
  };
  if (empty(0)) return fail(ErrorCode::invalid_argument, "no text at all has this form");
  Sorter sorter(nfa);
  if (const auto loop = sorter.sort()) {
    return fail(ErrorCode::invalid_argument,
                "the rule \"{}\" calls itself before it reads anything",
                grammar[plan.rules[*loop]].name);
  }
  std::vector<uint32_t> place(nfa.rules.size());
  std::vector<Nfa::Called> ordered;
  for (const uint32_t rule : sorter.order()) {
    place[rule] = static_cast<uint32_t>(ordered.size());
    ordered.push_back(nfa.rules[rule]);
  }
  nfa.rules = std::move(ordered);
  nfa.root = place[0];
  for (Nfa::Edge& edge : nfa.edges) {
    if (edge.kind == Nfa::Edge::Kind::call) edge.rule = place[edge.rule];
  }
  return nfa;
}

}  // namespace baton::constraint
