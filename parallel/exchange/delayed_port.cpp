#include "parallel/exchange/delayed_port.h"

#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "base/result.h"

namespace baton::parallel {

namespace {

// Every message between hosts carries the instant at which it may be seen.
class DelayedPort final : public Port {
 public:
  DelayedPort(std::unique_ptr<Port> port, uint32_t ranks_per_host, Duration delay,
              const Clock& clock)
      : port_(std::move(port)), ranks_per_host_(ranks_per_host), delay_(delay), clock_(clock) {
    check(ranks_per_host_ > 0, "a host has ranks");
  }

  uint32_t rank() const override { return port_->rank(); }
  uint32_t size() const override { return port_->size(); }

  Transfer send(uint32_t to, Tag tag, std::span<const std::byte> bytes) override {
    ++counts_.messages;
    counts_.bytes += bytes.size();
    Slot& slot = take_slot();
    slot.sends = true;
    slot.sent = bytes.size();
    if (near(to)) {
      slot.inner = port_->send(to, tag, bytes);
      return slot.name;
    }
    const int64_t due = (clock_.now() + delay_).time_since_epoch().count();
    slot.bytes.resize(sizeof due + bytes.size());
    std::memcpy(slot.bytes.data(), &due, sizeof due);
    if (!bytes.empty()) std::memcpy(slot.bytes.data() + sizeof due, bytes.data(), bytes.size());
    slot.inner = port_->send(to, tag, slot.bytes);
    return slot.name;
  }

  Transfer receive(uint32_t from, Tag tag, std::span<std::byte> buffer) override {
    Slot& slot = take_slot();
    if (near(from)) {
      slot.inner = port_->receive(from, tag, buffer);
      return slot.name;
    }
    slot.far = true;
    slot.buffer = buffer;
    slot.bytes.resize(sizeof(int64_t) + buffer.size());
    slot.inner = port_->receive(from, tag, slot.bytes);
    return slot.name;
  }

  bool done(Transfer transfer) override {
    Slot& slot = *slots_[transfer.value];
    if (!slot.far) return port_->done(slot.inner);
    if (!slot.size && port_->done(slot.inner)) slot.size = port_->wait(slot.inner);
    return slot.size && clock_.now() >= due(slot);
  }

  size_t wait(Transfer transfer) override {
    Slot& slot = *slots_[transfer.value];
    const uint64_t before = port_->counts().waited_ns;
    if (!slot.size) slot.size = port_->wait(slot.inner);
    counts_.waited_ns += port_->counts().waited_ns - before;
    size_t bytes = slot.sends ? slot.sent : *slot.size;
    if (slot.far) {
      const Instant begun = clock_.now();
      Instant now = begun;
      for (; now < due(slot); now = clock_.now()) std::this_thread::yield();
      counts_.waited_ns += static_cast<uint64_t>((now - begun).count());
      bytes -= sizeof(int64_t);
      if (bytes != 0) std::memcpy(slot.buffer.data(), slot.bytes.data() + sizeof(int64_t), bytes);
    }
    free_.push_back(transfer);
    return bytes;
  }

  const PortCounts& counts() const override { return counts_; }

 private:
  struct Slot {
    Transfer name;
    Transfer inner;
    bool sends = false;
    size_t sent = 0;
    bool far = false;             // a message from another host
    std::optional<size_t> size;   // in the inner port, once the transfer is done there
    std::span<std::byte> buffer;  // the caller's, of such a message
    std::vector<std::byte> bytes;
  };

  bool near(uint32_t rank) const {
    return rank / ranks_per_host_ == this->rank() / ranks_per_host_;
  }
  static Instant due(const Slot& slot) {
    int64_t due = 0;
    std::memcpy(&due, slot.bytes.data(), sizeof due);
    return Instant(Duration(due));
  }
  Slot& take_slot() {
    if (free_.empty()) {
      slots_.push_back(std::make_unique<Slot>());
      slots_.back()->name = Transfer(static_cast<uint32_t>(slots_.size() - 1));
      return *slots_.back();
    }
    Slot& slot = *slots_[free_.back().value];
    free_.pop_back();
    slot.sends = slot.far = false;
    slot.size.reset();
    return slot;
  }

  std::unique_ptr<Port> port_;
  uint32_t ranks_per_host_;
  Duration delay_;
  const Clock& clock_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Transfer> free_;
  PortCounts counts_;
};

}  // namespace

std::unique_ptr<Port> delayed_port(std::unique_ptr<Port> port, uint32_t ranks_per_host,
                                   Duration delay, const Clock& clock) {
  return std::make_unique<DelayedPort>(std::move(port), ranks_per_host, delay, clock);
}

}  // namespace baton::parallel
