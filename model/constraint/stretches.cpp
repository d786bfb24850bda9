#include "model/constraint/stretches.h"

#include <algorithm>
#include <array>
#include <bit>

namespace baton::constraint {

namespace {

constexpr unsigned kDetourBytes = 8;  // of an escape or a character, before the next state

}  // namespace

Stretches::Stretches(const Automaton& automaton, uint16_t characters_max)
    : automaton_(automaton),
      most_(characters_max),
      stretches_(automaton.states()),
      begins_(automaton.classes(), true) {
  for (unsigned byte = 0x80; byte < 0xC0; ++byte)
    begins_[automaton.class_of(static_cast<uint8_t>(byte))] = false;
}

// The state after any character beyond ASCII, if it is one and the same.
State Stretches::after_character(State state) const {
  const auto all = [&](State from, uint8_t low, uint8_t high) {
    const State to = automaton_.next(from, low);
    for (unsigned byte = low; to != kDead && byte <= high; ++byte) {
      if (automaton_.next(from, static_cast<uint8_t>(byte)) != to) return kDead;
    }
    return automaton_.plain(to) ? to : kDead;
  };
  struct Lead {
    uint8_t low, high, second_low, second_high, more;  // bytes inside of the character
  };
  constexpr Lead kLeads[] = {{0xC2, 0xDF, 0x80, 0xBF, 1}, {0xE0, 0xE0, 0xA0, 0xBF, 2},
                             {0xE1, 0xEC, 0x80, 0xBF, 2}, {0xED, 0xED, 0x80, 0x9F, 2},
                             {0xEE, 0xEF, 0x80, 0xBF, 2}, {0xF0, 0xF0, 0x90, 0xBF, 3},
                             {0xF1, 0xF3, 0x80, 0xBF, 3}, {0xF4, 0xF4, 0x80, 0x8F, 3}};
  State after = kDead;
  for (const Lead& lead : kLeads) {
    State at = all(state, lead.low, lead.high);
    if (at == kDead) return kDead;
    for (uint8_t i = 1; i <= lead.more; ++i) {
      const uint8_t low = i == 1 ? lead.second_low : 0x80, high = i == 1 ? lead.second_high : 0xBF;
      if (i < lead.more) {
        at = all(at, low, high);
      } else {
        const State to = automaton_.next(at, low);
        for (unsigned byte = low; byte <= high; ++byte) {
          if (automaton_.next(at, static_cast<uint8_t>(byte)) != to) return kDead;
        }
        at = to;
      }
      if (at == kDead) return kDead;
    }
    if (after != kDead && at != after) return kDead;
    after = at;
  }
  return after;
}

// One character on: the kinds all of whose characters lead to one state, which goes on.
void Stretches::find_step(State state) {
  Stretch& stretch = stretches_[state];
  stretch.known = true;
  constexpr size_t kKinds = 14;
  std::array<State, kKinds> leads{};
  std::array<bool, kKinds> seen{}, same{};
  for (unsigned byte = 0; byte < 0x80; ++byte) {
    const auto kind = static_cast<size_t>(std::countr_zero(kind_of(static_cast<uint8_t>(byte))));
    const State to = automaton_.next(state, static_cast<uint8_t>(byte));
    same[kind] = seen[kind] ? same[kind] && to == leads[kind] : to != kDead;
    seen[kind] = true;
    leads[kind] = to;
  }
  size_t most = 0;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (!same[kind] || !automaton_.goes_on(leads[kind])) continue;
    size_t alike = 0;
    for (size_t other = 0; other < kKinds; ++other)
      alike += same[other] && leads[other] == leads[kind] ? 1 : 0;
    if (alike > most) most = alike, stretch.next = leads[kind];
  }
  if (stretch.next == kDead) return;
  stretch.characters = 1;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    if (same[kind] && leads[kind] == stretch.next)
      stretch.kinds |= static_cast<ByteKinds>(1u << kind);
  }
  if (after_character(state) == stretch.next) stretch.kinds |= kBeyondAscii;
}

// Whether two states are known to do alike with so many characters.
bool Stretches::related(State a, State b, unsigned characters) const {
  const Stretch &of_a = stretches_[a], &of_b = stretches_[b];
  if (of_a.family != 0 && of_a.family == of_b.family &&
      std::min(of_a.reach, of_b.reach) >= characters) {
    return true;
  }
  const auto holds = [&](const Pair& pair) {
    return pair.a == a && pair.b == b && pair.characters >= characters;
  };
  return std::ranges::any_of(pairs_, holds) || std::ranges::any_of(pairs_behind_, holds);
}

// Whether two states do the same with each byte of up to `asked_` characters, `read` of which have
// begun: to the same state, or each to its own next, or to states that do alike with what is left,
// at once or by a detour of a few bytes.
bool Stretches::alike(State a, State b, unsigned depth, unsigned read) {
  if (depth == 0 || automaton_.ends(a) != automaton_.ends(b)) return false;
  const auto calls_a = automaton_.calls(a), calls_b = automaton_.calls(b);
  const auto same = [](const Automaton::Call& x, const Automaton::Call& y) {
    return x.rule == y.rule && x.after == y.after;
  };
  if (!std::ranges::equal(calls_a, calls_b, same)) return false;
  State former_a = kDead, former_b = kDead;
  unsigned former_read = 0;
  for (size_t c = 0; c < automaton_.classes(); ++c) {
    const State to_a = automaton_.next_of_class(a, c), to_b = automaton_.next_of_class(b, c);
    if (to_a == to_b || (to_a == next_a_ && to_b == next_b_)) continue;
    const unsigned now_read = read + (begins_[c] ? 1 : 0);
    if (now_read > asked_) continue;
    if (to_a == kDead || to_b == kDead) return false;
    if (to_a == former_a && to_b == former_b && now_read >= former_read) continue;
    if (related(to_a, to_b, asked_ - now_read)) continue;
    if (!alike(to_a, to_b, depth - 1, now_read)) return false;
    former_a = to_a, former_b = to_b, former_read = now_read;
    pairs_.push_back({to_a, to_b, asked_ - now_read});
  }
  return true;
}

// As many such steps as the kinds stay the same.
const Stretches::Stretch& Stretches::of(State state) {
  if (stretches_[state].known) return stretches_[state];
  std::vector<State> way;
  for (State at = state; !stretches_[at].known;) {
    find_step(at);
    way.push_back(at);
    const Stretch& step = stretches_[at];
    if (step.characters == 0 || step.next == at) break;
    at = step.next;
  }
  for (size_t i = way.size(); i-- > 0;) {
    Stretch& here = stretches_[way[i]];
    if (here.characters == 0) continue;
    if (here.next == way[i]) {
      here.characters = most_;
      continue;
    }
    const Stretch& then = stretches_[here.next];
    if (then.kinds == here.kinds)
      here.characters = static_cast<uint16_t>(std::min<unsigned>(most_, 1u + then.characters));
    next_a_ = here.next;
    next_b_ = then.next;
    asked_ = then.reach;
    pairs_behind_.swap(pairs_);
    pairs_.clear();
    const bool counts =
        then.next != kDead && then.family != 0 && alike(way[i], here.next, kDetourBytes, 0);
    here.family = counts ? then.family : ++families_;
    here.reach = counts ? static_cast<uint16_t>(std::min<unsigned>(most_, 1u + then.reach)) : 1;
  }
  return stretches_[state];
}

}  // namespace baton::constraint
