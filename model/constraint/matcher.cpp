#include "model/constraint/matcher.h"

#include <algorithm>
#include <array>
#include <functional>

namespace baton::constraint {

namespace {

constexpr size_t kCompactAt = 256;  // frames

bool newer(const Reading& a, const Reading& b) {
  return a.frame != b.frame ? a.frame > b.frame : a.state < b.state;
}

}  // namespace

void Frames::clear() {
  frames_.assign(1, {});
  callers_.clear();
}

void Frames::drop_to(size_t size) {
  if (size >= frames_.size()) return;
  callers_.resize(frames_[size].first);
  frames_.resize(size);
}

FrameId Frames::push(std::span<const Reading> callers) {
  Frame frame;
  frame.first = static_cast<uint32_t>(callers_.size());
  frame.count = static_cast<uint32_t>(callers.size());
  std::array<Digest, kReadingsMax> parts;
  for (size_t i = 0; i < callers.size(); ++i) parts[i] = name(callers[i]);
  std::sort(parts.begin(), parts.begin() + static_cast<ptrdiff_t>(callers.size()));
  frame.name = digest(std::as_bytes(std::span(parts).first(callers.size())));
  callers_.insert(callers_.end(), callers.begin(), callers.end());
  frames_.push_back(frame);
  return static_cast<FrameId>(frames_.size() - 1);
}

Digest Frames::name(Reading reading) const {
  const Digest& frame = frames_[reading.frame].name;
  // Multiplying by an odd number loses nothing; the state comes in where the frame's bits are
  // mixed.
  return {frame.low ^ (uint64_t{reading.state} + 1) * 0x9E3779B97F4A7C15u,
          frame.high + reading.state};
}

void Stepper::note_calls(Reading reading) {
  for (const Automaton::Call& call : automaton_->calls(reading.state))
    pending_.push_back({call.rule, {call.after, reading.frame}});
}

bool Stepper::step(std::span<const Reading> readings, uint8_t byte, Frames& frames,
                   std::vector<Reading>& out) {
  const size_t begin = out.size();
  bool closed = true;
  for (const Reading& reading : readings) {
    const State next = automaton_->next(reading.state, byte);
    if (next == kDead) continue;
    out.push_back({next, reading.frame});
    closed = closed && automaton_->plain(next);
  }
  return closed ? false : close(begin, true, frames, out);
}

void Stepper::return_from(FrameId frame, const Frames& frames, size_t begin,
                          std::vector<Reading>& out) {
  for (const Reading& caller : frames.callers(frame)) {
    if (out.size() - begin >= kReadingsMax) return;
    if (std::find(out.begin() + static_cast<ptrdiff_t>(begin), out.end(), caller) == out.end())
      out.push_back(caller);
  }
}

bool Stepper::close(size_t begin, bool ending, Frames& frames, std::vector<Reading>& out) {
  bool base_ended = false;
  if (ending) {
    for (size_t i = begin; i < out.size(); ++i) {
      const Reading reading = out[i];
      if (!automaton_->ends(reading.state)) continue;
      if (reading.frame == kBase)
        base_ended = true;
      else
        return_from(reading.frame, frames, begin, out);
    }
  }
  for (size_t i = begin; i < out.size(); ++i) note_calls(out[i]);
  // A rule that is entered calls only rules with higher numbers.
  for (uint16_t rule = 0; take_callers(rule, frames);) {
    const Reading entered{automaton_->start(rule), frames.push(callers_)};
    if (automaton_->reads(entered.state)) out.push_back(entered);
    note_calls(entered);
  }
  return base_ended;
}

// The callers of the first rule that is to be called.
bool Stepper::take_callers(uint16_t& rule, const Frames& frames) {
  if (pending_.empty()) return false;
  rule = std::ranges::min_element(pending_, {}, &PendingCall::rule)->rule;
  callers_.clear();
  std::erase_if(pending_, [&](const PendingCall& call) {
    if (call.rule != rule) return false;
    // Who has nothing left to do but to end is not returned to: its own callers are.
    const auto own = frames.callers(call.caller.frame);
    if (automaton_->only_ends(call.caller.state) && !own.empty())
      callers_.insert(callers_.end(), own.begin(), own.end());
    else
      callers_.push_back(call.caller);
    return true;
  });
  std::sort(callers_.begin(), callers_.end(), newer);
  callers_.erase(std::unique(callers_.begin(), callers_.end()), callers_.end());
  if (callers_.size() > kReadingsMax) callers_.resize(kReadingsMax);
  return true;
}

Matcher::Matcher(const Automaton& automaton)
    : automaton_(&automaton), stepper_(automaton), compact_at_(kCompactAt) {
  readings_.push_back({automaton.root(), kBase});
  stepper_.close(0, false, frames_, readings_);
}

bool Matcher::can_end() const {
  return std::ranges::any_of(
      readings_, [&](const Reading& r) { return r.frame == kBase && automaton_->ends(r.state); });
}

bool Matcher::can_go_on() const {
  return std::ranges::any_of(readings_,
                             [&](const Reading& r) { return automaton_->reads(r.state); });
}

bool Matcher::advance(std::string_view bytes) {
  for (const char c : bytes) {
    next_.clear();
    stepper_.step(readings_, static_cast<uint8_t>(c), frames_, next_);
    readings_.swap(next_);
    prune();
  }
  bytes_ += bytes.size();
  if (frames_.size() > compact_at_) compact();
  return !readings_.empty();
}

// Readings that can do nothing go; of too many the newest stay.
void Matcher::prune() {
  std::erase_if(readings_, [&](const Reading& r) {
    return !automaton_->reads(r.state) && !(r.frame == kBase && automaton_->ends(r.state));
  });
  if (readings_.size() <= kReadingsMax) return;
  std::sort(readings_.begin(), readings_.end(), newer);
  readings_.resize(kReadingsMax);
}

// Keeps the frames that readings lead to.
void Matcher::compact() {
  std::vector<FrameId> place(frames_.size(), kBase);
  std::vector<bool> used(frames_.size());
  for (const Reading& r : readings_) used[r.frame] = true;
  for (size_t f = frames_.size(); f-- > 1;) {
    if (!used[f]) continue;
    for (const Reading& caller : frames_.callers(static_cast<FrameId>(f)))
      used[caller.frame] = true;
  }
  Frames kept;
  std::vector<Reading> callers;
  for (size_t f = 1; f < frames_.size(); ++f) {
    if (!used[f]) continue;
    const auto old = frames_.callers(static_cast<FrameId>(f));
    callers.assign(old.begin(), old.end());
    for (Reading& caller : callers) caller.frame = place[caller.frame];
    place[f] = kept.push(callers);
  }
  for (Reading& r : readings_) r.frame = place[r.frame];
  frames_ = std::move(kept);
  compact_at_ = std::max(kCompactAt, 2 * frames_.size());
}

}  // namespace baton::constraint
