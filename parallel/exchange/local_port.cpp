#include "parallel/exchange/local_port.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/result.h"

namespace baton::parallel {

class LocalPort final : public Port {
 public:
  LocalPort(LocalHub& hub, uint32_t rank) : hub_(hub), rank_(rank) {}

  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return hub_.ranks_; }

  Transfer send(uint32_t to, Tag tag, std::span<const std::byte> bytes) override {
    check(to < hub_.ranks_ && tag < kTagsMax, "a message goes to a rank of the instance");
    ++counts_.messages;
    counts_.bytes += bytes.size();
    {
      std::lock_guard lock(hub_.mutex_);
      LocalHub::Messages& way = hub_.messages_[{rank_, to, tag}];
      way.waiting.emplace(way.sent++, std::vector(bytes.begin(), bytes.end()));
    }
    hub_.arrived_.notify_all();
    return add({.sent = bytes.size()});
  }

  Transfer receive(uint32_t from, Tag tag, std::span<std::byte> buffer) override {
    check(from < hub_.ranks_ && tag < kTagsMax, "a message comes from a rank of the instance");
    return add({.way = {from, rank_, tag},
                .number = asked_[{from, rank_, tag}]++,
                .buffer = buffer,
                .receives = true});
  }

  bool done(Transfer transfer) override {
    const Pending& pending = pending_[transfer.value];
    if (!pending.receives) return true;
    std::lock_guard lock(hub_.mutex_);
    return hub_.messages_[pending.way].waiting.contains(pending.number);
  }

  size_t wait(Transfer transfer) override {
    const Pending pending = pending_[transfer.value];
    free_.push_back(transfer);
    if (!pending.receives) return pending.sent;
    const Instant begun = clock_.now();
    std::unique_lock lock(hub_.mutex_);
    auto& waiting = hub_.messages_[pending.way].waiting;
    hub_.arrived_.wait(lock, [&] { return waiting.contains(pending.number); });
    const auto message = waiting.extract(pending.number);
    lock.unlock();
    counts_.waited_ns += static_cast<uint64_t>((clock_.now() - begun).count());
    const auto& bytes = message.mapped();
    check(bytes.size() <= pending.buffer.size(), "a message fits the buffer that waits for it");
    std::copy(bytes.begin(), bytes.end(), pending.buffer.begin());
    return bytes.size();
  }

  const PortCounts& counts() const override { return counts_; }

 private:
  struct Pending {
    LocalHub::Way way{};
    uint64_t number = 0;
    std::span<std::byte> buffer;
    bool receives = false;
    size_t sent = 0;
  };
  Transfer add(Pending pending) {
    if (free_.empty()) {
      pending_.push_back(pending);
      return Transfer(static_cast<uint32_t>(pending_.size() - 1));
    }
    const Transfer slot = free_.back();
    free_.pop_back();
    pending_[slot.value] = pending;
    return slot;
  }

  LocalHub& hub_;
  uint32_t rank_;
  SystemClock clock_;
  std::map<LocalHub::Way, uint64_t> asked_;  // receives posted so far
  std::vector<Pending> pending_;
  std::vector<Transfer> free_;
  PortCounts counts_;
};

namespace {

// Nobody else is there, so nothing is ever sent.
class LonePort final : public Port {
 public:
  uint32_t rank() const override { return 0; }
  uint32_t size() const override { return 1; }
  Transfer send(uint32_t, Tag, std::span<const std::byte>) override { return nobody(); }
  Transfer receive(uint32_t, Tag, std::span<std::byte>) override { return nobody(); }
  bool done(Transfer) override { return true; }
  size_t wait(Transfer) override { return 0; }
  const PortCounts& counts() const override { return counts_; }

 private:
  static Transfer nobody() {
    check(false, "a lone rank has nobody to talk to");
    return {};
  }
  PortCounts counts_;
};

}  // namespace

std::unique_ptr<Port> lone_port() { return std::make_unique<LonePort>(); }

std::unique_ptr<Port> LocalHub::port(uint32_t rank) {
  check(rank < ranks_, "a port belongs to a rank of the hub");
  return std::make_unique<LocalPort>(*this, rank);
}

}  // namespace baton::parallel
