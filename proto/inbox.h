// Inbox: the receiving end of a link. Messages come in from any thread; they go to the owner's
// handlers on its executor, in order, never from inside push() or end(); then on_down, exactly
// once, last. The direct and the gRPC body share it, so that both keep the contract of link.h.
//
// Invariants: no handler runs after silence() or on_down; nothing is posted to the executor after
// silence(), so the executor's context may be destroyed once the Link is. Thread safety: push, end
// and abort from any thread; open and silence on the executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "proto/link.h"

namespace baton::rpc {

// How much may wait in one direction of a link before it counts as stuck.
struct LinkLimits {
  size_t messages_max = 4096;
  size_t bytes_max = size_t{64} << 20;  // only where messages are serialised
};

// What a link does to an inbox whatever its messages are.
class InboxControl {
 public:
  virtual ~InboxControl() = default;
  virtual void end(Error why) = 0;    // on_down follows what was pushed before
  virtual void abort(Error why) = 0;  // on_down comes next; what was pushed is dropped
  virtual void silence() = 0;         // no handler runs any more
};

enum class Pushed : uint8_t {
  room,     // taken, and the next one fits too
  full,     // taken; `has_room` will be called when there is room again
  over,     // not taken: past the limits
  refused,  // not taken: the inbox has ended
};

template <class In>
class Inbox final : public InboxControl, public std::enable_shared_from_this<Inbox<In>> {
 public:
  // `has_room` runs on the executor after an inbox that was full is half empty again.
  Inbox(boost::asio::any_io_executor executor, LinkLimits limits,
        std::function<void()> has_room = nullptr)
      : executor_(std::move(executor)), limits_(limits), has_room_(std::move(has_room)) {}

  // Starts delivery, of what has come already too.
  void open(LinkEvents<In> events) {
    std::lock_guard lock(mutex_);
    if (silenced_) return;
    events_ = std::move(events);
    opened_ = true;
    schedule();
  }

  Pushed push(In message, size_t bytes = 0) {
    std::lock_guard lock(mutex_);
    if (silenced_ || end_) return Pushed::refused;
    if (at_limit()) return Pushed::over;
    queue_.push_back({std::move(message), bytes});
    queued_bytes_ += bytes;
    schedule();
    full_ = at_limit();
    return full_ ? Pushed::full : Pushed::room;
  }

  void end(Error why) override {
    std::lock_guard lock(mutex_);
    if (silenced_ || end_) return;
    end_ = std::move(why);
    schedule();
  }

  void abort(Error why) override {
    std::deque<Item> dropped;  // destroyed outside the lock
    std::lock_guard lock(mutex_);
    if (silenced_) return;
    if (!end_) end_ = std::move(why);
    dropped.swap(queue_);
    queued_bytes_ = 0;
    schedule();
  }

  void silence() override {
    std::deque<Item> dropped;
    LinkEvents<In> events;
    {
      std::lock_guard lock(mutex_);
      silenced_ = true;
      dropped.swap(queue_);
      // A handler that is running now must not be destroyed under itself: deliver() does it then.
      if (!delivering_) std::swap(events, events_);
    }
  }

 private:
  struct Item {
    In message;
    size_t bytes = 0;
  };
  static constexpr int kBatch = 64;  // messages a turn, so that other work is not starved

  bool at_limit() const {
    return queue_.size() >= limits_.messages_max || queued_bytes_ >= limits_.bytes_max;
  }

  // Under the lock.
  void schedule() {
    if (scheduled_ || !opened_ || (queue_.empty() && !end_)) return;
    scheduled_ = true;
    boost::asio::post(executor_, [self = this->shared_from_this()] { self->deliver(); });
  }

  void deliver() {
    for (int i = 0; i < kBatch; ++i) {
      if (!deliver_one()) return;
    }
    std::lock_guard lock(mutex_);
    scheduled_ = false;
    if (!silenced_) schedule();
  }

  bool deliver_one() {
    std::optional<Item> item;
    bool room = false;
    {
      std::lock_guard lock(mutex_);
      if (silenced_ || (queue_.empty() && !end_)) {
        scheduled_ = false;
        return false;
      }
      if (!queue_.empty()) {
        item = std::move(queue_.front());
        queue_.pop_front();
        queued_bytes_ -= item->bytes;
        room = full_ && queue_.size() <= limits_.messages_max / 2 &&
               queued_bytes_ <= limits_.bytes_max / 2;
        if (room) full_ = false;
      }
      delivering_ = true;
    }
    if (room && has_room_) has_room_();
    if (item) {
      events_.on_message(std::move(item->message));
    } else {
      events_.on_down(std::move(*end_));
    }
    return finish_delivery(/*last=*/!item);
  }

  // Returns whether delivery goes on; else lets go of the handlers and of all that they hold.
  bool finish_delivery(bool last) {
    LinkEvents<In> events;
    std::lock_guard lock(mutex_);
    delivering_ = false;
    if (last) silenced_ = true;
    if (silenced_) std::swap(events, events_);
    return !silenced_;
  }

  const boost::asio::any_io_executor executor_;
  const LinkLimits limits_;
  const std::function<void()> has_room_;
  LinkEvents<In> events_;  // executor only, once opened

  std::mutex mutex_;
  std::deque<Item> queue_;
  size_t queued_bytes_ = 0;
  std::optional<Error> end_;
  bool opened_ = false;
  bool scheduled_ = false;
  bool full_ = false;
  bool delivering_ = false;
  bool silenced_ = false;
};

}  // namespace baton::rpc
