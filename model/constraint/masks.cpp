#include "model/constraint/masks.h"

#include <algorithm>
#include <bit>

namespace baton::constraint {

namespace {

using Node = TokenTrie::Node;

constexpr uint16_t kReachMin = 4;  // below that nearly all tokens would be walked anyway

}  // namespace

Masks::Masks(const Automaton& automaton, const TokenTrie& vocabulary, size_t bytes_max)
    : automaton_(automaton),
      vocabulary_(vocabulary),
      bytes_max_(bytes_max),
      stepper_(automaton),
      begins_(vocabulary.depth() + 2),
      frame_marks_(vocabulary.depth() + 2),
      states_(automaton.states()),
      stretches_(automaton, static_cast<uint16_t>(vocabulary.depth())) {
  found_.reserve(vocabulary.tokens().size());
}

void Masks::fill(const Matcher& matcher, std::span<uint64_t> mask) {
  check(mask.size() == words(), "a mask has a bit for each token of the vocabulary");
  std::ranges::fill(mask, 0);
  for (const Reading& reading : matcher.readings()) {
    if (!automaton_.reads(reading.state)) continue;
    ++counts_.asked;
    make_room();
    const OfState& state = of_state(reading.state);
    add(state.certain, mask);
    if (!state.ends.empty() && reading.frame != kBase)
      add(of_callers(reading, matcher.frames(), state), mask);
  }
}

void Masks::add(const Kept& kept, std::span<uint64_t> mask) {
  for (size_t i = 0; i < kept.bits.size(); ++i) mask[i] |= kept.bits[i];
  for (const TokenId id : kept.tokens) mask[id / 64] |= uint64_t{1} << (id % 64);
}

void Masks::make_room() {
  if (counts_.bytes <= bytes_max_) return;
  for (auto& state : states_) state.reset();
  frames_kept_.clear();
  families_.clear();
  counts_.bytes = 0;
  ++counts_.dropped;
}

const Masks::Kept& Masks::of_callers(Reading reading, const Frames& frames, const OfState& state) {
  const auto [found, fresh] = frames_kept_.try_emplace(Key{frames.name(reading)}, nullptr);
  if (fresh) {
    walk_callers(reading, frames, state);
    found->second = std::make_unique<Kept>(keep());
    counts_.bytes += found->second->bytes();
    ++counts_.frames_walked;
  }
  return *found->second;
}

const Masks::OfState& Masks::of_state(State state) {
  auto& kept = states_[state];
  if (!kept) {
    kept = std::make_unique<OfState>();
    const Stretches::Stretch& stretch = stretches_.of(state);
    const uint16_t characters = std::min(stretch.reach, TokenTrie::kUpToMax);
    State& best = families_[stretch.family];
    if (characters >= kReachMin && best != kDead && stretches_.of(best).reach >= characters) {
      derive(state, *states_[best], characters, *kept);
    } else {
      walk_state(state, *kept);
      kept->certain = keep();
    }
    if (best == kDead || stretch.reach > stretches_.of(best).reach) best = state;
    kept->ends.shrink_to_fit();
    counts_.bytes += kept->certain.bytes() + kept->ends.size() * sizeof(uint32_t);
    ++counts_.states_walked;
  }
  return *kept;
}

void Masks::walk_state(State state, OfState& to) {
  frames_.clear();
  found_.clear();
  const Reading from{state, kBase};
  walk(0, static_cast<uint32_t>(vocabulary_.nodes().size()), {&from, 1},
       [&](uint32_t node) { to.ends.push_back(node); });
}

// Tokens of at most so many characters are as with the other state; only longer ones are walked.
void Masks::derive(State state, const OfState& other, uint16_t characters, OfState& to) {
  known_characters_ = characters;
  walk_state(state, to);
  known_characters_ = 0;
  for (const uint32_t node : other.ends) {
    if (vocabulary_.characters_to(node) <= characters) to.ends.push_back(node);
  }
  const auto shorter = vocabulary_.up_to(characters);
  for (const TokenId id : other.certain.tokens) {
    if ((shorter[id / 64] >> (id % 64) & 1) != 0) found_.push_back(id);
  }
  to.certain = keep();
  if (other.certain.bits.empty()) return;
  to.certain.bits.resize(words());
  for (const TokenId id : to.certain.tokens) to.certain.bits[id / 64] |= uint64_t{1} << (id % 64);
  to.certain.tokens.clear();
  for (size_t i = 0; i < shorter.size(); ++i)
    to.certain.bits[i] |= other.certain.bits[i] & shorter[i];
}

bool Masks::skips(State state, const Node& node) {
  const Stretches::Stretch& far = stretches_.of(state);
  return (node.kinds & ~far.kinds) == 0 && node.characters <= far.characters;
}

void Masks::find(const Node& node) {
  const TokenId* const first = vocabulary_.tokens().data() + node.first;
  found_.insert(found_.end(), first, first + node.count);
}

// Tokens in whose last byte the rule ends, and those that go on behind its end as the callers do.
void Masks::walk_callers(Reading reading, const Frames& frames, const OfState& state) {
  found_.clear();
  frames_ = frames;
  const auto callers = frames.callers(reading.frame);
  std::vector<Reading> after(callers.begin(), callers.end());
  stepper_.close(0, true, frames_, after);
  for (const uint32_t end : state.ends) {
    const Node& node = vocabulary_.nodes()[end];
    const auto here = vocabulary_.tokens(node);
    found_.insert(found_.end(), here.begin(), here.end());
    walk(end + 1, node.after, after, [](uint32_t) {});
  }
}

// Finds the tokens of nodes [begin, end), which are whole subtrees, that can be read from `from`.
// on_end(node): a rule with the base frame has ended in its byte.
template <class OnEnd>
void Masks::walk(uint32_t begin, uint32_t end, std::span<const Reading> from, const OnEnd& on_end) {
  if (begin == end) return;
  const auto nodes = vocabulary_.nodes();
  const uint32_t top = nodes[begin].depth - 1u;
  readings_.assign(from.begin(), from.end());
  begins_[top] = 0;
  frame_marks_[top] = static_cast<uint32_t>(frames_.size());
  begins_[top + 1] = static_cast<uint32_t>(readings_.size());
  for (uint32_t n = begin; n < end;) {
    const Node& node = nodes[n];
    if (known_characters_ > 0 &&
        vocabulary_.characters_to(n) + node.characters <= known_characters_) {
      n = node.after;
      continue;
    }
    const bool fresh = vocabulary_.characters_to(n) > known_characters_ || known_characters_ == 0;
    const uint32_t first = begins_[node.depth - 1u], last = begins_[node.depth];
    readings_.resize(last);
    frames_.drop_to(frame_marks_[node.depth - 1u]);
    if (last - first == 1) {  // nearly always
      const Reading reading = readings_[first];
      const State next = automaton_.next(reading.state, node.byte);
      if (next == kDead) {
        n = node.after;
        continue;
      }
      if (automaton_.goes_on(next)) {
        const auto tokens = vocabulary_.tokens();
        const bool leaf = node.after == n + 1;
        if (!leaf && skips(next, node)) {
          const size_t behind = node.after < nodes.size() ? nodes[node.after].first : tokens.size();
          found_.insert(found_.end(), tokens.data() + node.first, tokens.data() + behind);
          n = node.after;
          continue;
        }
        readings_.push_back({next, reading.frame});
        if (fresh) find(node);
        begins_[node.depth + 1u] = last + 1;
        frame_marks_[node.depth] = static_cast<uint32_t>(frames_.size());
        ++n;
        continue;
      }
    }
    before_.assign(readings_.begin() + first, readings_.begin() + last);
    if (stepper_.step(before_, node.byte, frames_, readings_) && fresh) on_end(n);
    if (readings_.size() == last) {
      n = node.after;
      continue;
    }
    if (fresh) find(node);
    begins_[node.depth + 1u] = static_cast<uint32_t>(readings_.size());
    frame_marks_[node.depth] = static_cast<uint32_t>(frames_.size());
    ++n;
  }
}

Masks::Kept Masks::keep() {
  Kept kept;
  if (found_.size() * sizeof(TokenId) <= words() * sizeof(uint64_t) / 4) {
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    kept.tokens = found_;
    return kept;
  }
  kept.bits.assign(words(), 0);
  for (const TokenId id : found_) kept.bits[id / 64] |= uint64_t{1} << (id % 64);
  return kept;
}

}  // namespace baton::constraint
