// Matcher: how far an answer has come in an automaton.
//
// A set of readings: each is a state and a frame, which says who called the state's rule and where
// they go on. Frames are kept in an array of the matcher's own; callers that meet in one call share
// its frame, so readings stay few. All readings can be completed. A text that may be read in more
// than kReadingsMax ways loses the oldest; then the language is narrower, never wider. The state is
// a function of the automaton and the bytes, so copying it or replaying the bytes gives the same.
// Cost: a byte is a table look-up for each reading; a copy is of a few hundred bytes.
// Thread safety: values; the automaton must outlive them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/hash/digest.h"
#include "model/constraint/grammar/automaton.h"

namespace baton::constraint {

constexpr size_t kReadingsMax = 32;

using FrameId = uint32_t;
constexpr FrameId kBase = 0;  // called by nobody: the whole answer's, or where a walk must stop

struct Reading {
  State state = kDead;
  FrameId frame = kBase;
  friend auto operator<=>(const Reading&, const Reading&) = default;
};

// Who called: the readings that go on when a called rule has ended. Frames only refer to older
// ones, so the newest can be dropped.
class Frames {
 public:
  Frames() { clear(); }

  void clear();
  FrameId push(std::span<const Reading> callers);
  size_t size() const { return frames_.size(); }
  void drop_to(size_t size);
  std::span<const Reading> callers(FrameId frame) const {
    return std::span(callers_).subspan(frames_[frame].first, frames_[frame].count);
  }
  // The same for frames from which the same may follow, in any Frames of one automaton.
  const Digest& name(FrameId frame) const { return frames_[frame].name; }
  Digest name(Reading reading) const;

 private:
  struct Frame {
    uint32_t first = 0, count = 0;
    Digest name;
  };
  std::vector<Frame> frames_;
  std::vector<Reading> callers_;
};

// One byte at a time, for any frames. Keeps buffers; one thread each.
class Stepper {
 public:
  explicit Stepper(const Automaton& automaton) : automaton_(&automaton) {}

  // The readings after `byte`, appended to `out`, new frames to `frames`. True if a rule with the
  // base frame has ended.
  bool step(std::span<const Reading> readings, uint8_t byte, Frames& frames,
            std::vector<Reading>& out);
  // Completes what lies in out[begin..]: returns from rules that have ended (`ending`), and calls.
  bool close(size_t begin, bool ending, Frames& frames, std::vector<Reading>& out);

 private:
  struct PendingCall {
    uint16_t rule = 0;
    Reading caller;
  };
  void note_calls(Reading reading);
  bool take_callers(uint16_t& rule, const Frames& frames);
  void return_from(FrameId frame, const Frames& frames, size_t begin, std::vector<Reading>& out);

  const Automaton* automaton_;
  std::vector<PendingCall> pending_;
  std::vector<Reading> callers_;
};

class Matcher {
 public:
  explicit Matcher(const Automaton& automaton);

  // False if the bytes can't follow; then nothing can any more.
  bool advance(std::string_view bytes);

  bool can_end() const;    // the answer may end here
  bool can_go_on() const;  // some byte may follow
  bool at_start() const { return bytes_ == 0; }
  std::span<const Reading> readings() const { return readings_; }
  const Frames& frames() const { return frames_; }

 private:
  void prune();
  void compact();

  const Automaton* automaton_;
  Stepper stepper_;
  Frames frames_;
  std::vector<Reading> readings_, next_;
  size_t bytes_ = 0;
  size_t compact_at_;
};

}  // namespace baton::constraint
