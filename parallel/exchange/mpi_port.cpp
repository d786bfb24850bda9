#include "parallel/exchange/mpi_port.h"

#include <mpi.h>

#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace baton::parallel {

namespace {

// Bytes as MPI counts them: an int of bytes, or, beyond `piece`, an int of pieces and the rest.
class Shape {
 public:
  Shape(size_t bytes, size_t piece) : count_(1) {
    if (bytes <= piece) {
      count_ = static_cast<int>(bytes);
      return;
    }
    MPI_Datatype pieces;
    MPI_Type_contiguous(static_cast<int>(piece), MPI_BYTE, &pieces);
    const int counts[] = {static_cast<int>(bytes / piece), static_cast<int>(bytes % piece)};
    const MPI_Aint places[] = {0, static_cast<MPI_Aint>(bytes / piece * piece)};
    const MPI_Datatype types[] = {pieces, MPI_BYTE};
    MPI_Type_create_struct(2, counts, places, types, &type_);
    MPI_Type_commit(&type_);
    MPI_Type_free(&pieces);
  }
  ~Shape() {  // transfers that have begun keep what they need of it
    if (type_ != MPI_BYTE) MPI_Type_free(&type_);
  }
  Shape(const Shape&) = delete;
  Shape& operator=(const Shape&) = delete;

  int count() const { return count_; }
  MPI_Datatype type() const { return type_; }

 private:
  int count_;
  MPI_Datatype type_ = MPI_BYTE;
};

// MPI's own error handler ends the job when a call fails, so no status is looked at here.
class MpiPort final : public Port {
 public:
  MpiPort(const World& world, size_t piece)
      : rank_(world.rank()), size_(world.size()), piece_(piece) {}

  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return size_; }

  Transfer send(uint32_t to, Tag tag, std::span<const std::byte> bytes) override {
    ++counts_.messages;
    counts_.bytes += bytes.size();
    const Transfer slot = take_slot();
    slots_[slot.value].sends = true;
    slots_[slot.value].bytes = bytes.size();
    const Shape shape(bytes.size(), piece_);
    MPI_Isend(bytes.data(), shape.count(), shape.type(), static_cast<int>(to),
              static_cast<int>(tag), MPI_COMM_WORLD, &slots_[slot.value].request);
    return slot;
  }

  Transfer receive(uint32_t from, Tag tag, std::span<std::byte> buffer) override {
    const Transfer slot = take_slot();
    const Shape shape(buffer.size(), piece_);
    MPI_Irecv(buffer.data(), shape.count(), shape.type(), static_cast<int>(from),
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
    MPI_Count bytes = 0;
    MPI_Get_elements_x(&status, MPI_BYTE, &bytes);
    slot.bytes = static_cast<size_t>(bytes);
  }

  uint32_t rank_;
  uint32_t size_;
  size_t piece_;
  SystemClock clock_;
  std::vector<Slot> slots_;
  std::vector<Transfer> free_;
  PortCounts counts_;
};

}  // namespace

std::unique_ptr<Port> mpi_port(const World& world, size_t piece_bytes) {
  check(piece_bytes > 0 && piece_bytes <= kPieceBytes, "MPI counts a piece's bytes in an int");
  return std::make_unique<MpiPort>(world, piece_bytes);
}

}  // namespace baton::parallel
