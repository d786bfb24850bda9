// Network: links between simulated processes, with every fault that a link may have.
//
// A link keeps its messages in order, until it is down. A message may be lost alone, come twice, or
// take its link with it: then each end learns of it at its own time, soon or late, and all that is
// sent meanwhile is lost. Thread safety: one thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "base/hash/counter_rng.h"
#include "tests/simulation/virtual_time.h"

namespace baton::simulation {

// Chances, for each message or frame; all zero: nothing ever goes wrong.
struct Faults {
  double lose = 0;
  double repeat = 0;
  double break_link = 0;    // both ends are told, each at its time
  double silence_link = 0;  // they are told late: all that follows is lost
  double frame_lose = 0;
  double frame_repeat = 0;
  double frame_corrupt = 0;  // in the payload or in the header
  double frames_drop = 0;    // a whole post is dropped by the sender's side
  double store_fail = 0;     // the kvstore is not there for an order
  double store_hang = 0;     // or never answers it
  double store_lose = 0;     // or has lost a page
  bool slow = false;         // delays spread over a hundred times the range
};

// One life of one process; what is planned for it does not happen after its death.
struct Life {
  bool alive = true;
  Instant frozen_until;  // stopped as by SIGSTOP: all waits until then
};
using LifePtr = std::shared_ptr<Life>;

class Network;

struct Link {
  struct End {
    LifePtr life;
    std::function<void()> on_down;  // once
    Instant last_arrival;           // of what was sent to it: order is kept
  };
  std::array<End, 2> ends;
  bool lost = false;  // nothing arrives any more
  bool told[2] = {false, false};
};
using LinkPtr = std::shared_ptr<Link>;

class Network {
 public:
  Network(VirtualTime& time, SeededRandom& random) : time_(time), random_(random) {}

  Faults faults;

  LinkPtr connect(LifePtr from, std::function<void()> from_down, LifePtr to,
                  std::function<void()> to_down);
  // Something is sent to end `to` (0 or 1) of the link; `arrive` happens there.
  void send(const LinkPtr& link, int to, std::function<void()> arrive);
  // The link is lost; ends that live are told, each after a while.
  void cut(const LinkPtr& link);
  // The link is lost, and its ends find out only when they miss each other's keep-alives.
  void fall_silent(const LinkPtr& link);
  // Does `what` in the life, now or when it is no longer frozen; not if it is over.
  void run_in(const LifePtr& life, std::function<void()> what);
  // A process has died: its links are cut, or (a pulled cable) fall silent.
  void died(const LifePtr& life);
  Duration delay();
  Duration delay(Duration least, Duration most);

 private:
  void tell(const LinkPtr& link, int end, Duration after);

  VirtualTime& time_;
  SeededRandom& random_;
  std::vector<std::weak_ptr<Link>> links_;
};

}  // namespace baton::simulation
