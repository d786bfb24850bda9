#include "parallel/exchange/mpi_port.h"

#include <mpi.h>

#include <limits>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace baton::parallel {

namespace {

int count_of(std::span<const std::byte> bytes) {
  check(bytes.size() <= std::numeric_limits<int>::max(), "a message is under two gibibytes");
  return static_cast<int>(bytes.size());
}

// MPI's own error handler ends the job when a call fails, so no status is looked at here.
class MpiPort final : public Port {
 public:
  explicit MpiPort(const World& world) : rank_(world.rank()), size_(world.size()) {}

  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return size_; }

  Transfer send(uint32_t to, Tag tag, std::span<const std::byte> bytes) override {
    ++counts_.messages;
    counts_.bytes += bytes.size();
    const Transfer slot = take_slot();
    slots_[slot.value].sends = true;
    slots_[slot.value].bytes = bytes.size();
    MPI_Isend(bytes.data(), count_of(bytes), MPI_BYTE, static_cast<int>(to), static_cast<int>(tag),
              MPI_COMM_WORLD, &slots_[slot.value].request);
    return slot;
  }

  Transfer receive(uint32_t from, Tag tag, std::span<std::byte> buffer) override {
    const Transfer slot = take_slot();
    MPI_Irecv(buffer.data(), count_of(buffer), MPI_BYTE, static_cast<int>(from),
              static_cast<int>(tag), MPI_COMM_WORLD, &slots_[slot.value].request);
    return slot;
  }

  bool done(Transfer transfer) override {
    Slot& slot = slots_[transfer.value];
    if (slot.done) return true;
    int flag = 0;
    MPI_Status status;
    MPI_Test(&slot.request, &flag, &status);
    if (flag != 0) finish(slot, status);
    return slot.done;
  }

  size_t wait(Transfer transfer) override {
    Slot& slot = slots_[transfer.value];
    if (!done(transfer)) {
      const Instant begun = clock_.now();
      MPI_Status status;
      MPI_Wait(&slot.request, &status);
      finish(slot, status);
      counts_.waited_ns += static_cast<uint64_t>((clock_.now() - begun).count());
    }
    free_.push_back(transfer);
    return slot.bytes;
  }

  const PortCounts& counts() const override { return counts_; }

 private:
  struct Slot {
    MPI_Request request = MPI_REQUEST_NULL;
    bool sends = false;
    bool done = false;
    size_t bytes = 0;
  };
  Transfer take_slot() {
    if (free_.empty()) {
      slots_.emplace_back();
      return Transfer(static_cast<uint32_t>(slots_.size() - 1));
    }
    const Transfer slot = free_.back();
    free_.pop_back();
    slots_[slot.value] = {};
    return slot;
  }
  static void finish(Slot& slot, const MPI_Status& status) {
    slot.done = true;
    if (slot.sends) return;  // its status says nothing
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    slot.bytes = static_cast<size_t>(bytes);
  }

  uint32_t rank_;
  uint32_t size_;
  SystemClock clock_;
  std::vector<Slot> slots_;
  std::vector<Transfer> free_;
  PortCounts counts_;
};

}  // namespace

std::unique_ptr<Port> mpi_port(const World& world) { return std::make_unique<MpiPort>(world); }

}  // namespace baton::parallel
