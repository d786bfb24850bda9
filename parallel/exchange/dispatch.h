// Dispatch: carries rows to the ranks that hold their experts, and the results back: one exchange
// of one micro-batch, used again layer after layer (DeepSeek-V3 report, 3.2.2 and 3.4).
//
// A row goes at most once to a rank that holds an expert of it, or, with hosts, at most once to
// each such host: there the rank with the sender's place in its host passes it on to the ranks
// beside it. Results come back straight to the row's owner, one for each (row, expert), never a
// sum, so that the owner can add them in one order whatever the layout. Who has rows is known
// beforehand (`sources`), so only these ranks say how many rows come, in the message that carries
// them; nobody else sends anything. start() .. finish() .. start_combine() .. finish_combine()
// are called in this order by all ranks; between them progress() moves the exchange along.
// Buffers grow to the largest exchange and stay. Thread safety: the port's owner thread; put() of
// different places from several threads.
#pragma once

#include <memory>
#include <vector>

#include "parallel/exchange/port.h"

namespace baton::parallel {

struct DispatchShape {
  uint32_t ranks_per_host = 0;  // 0: every rank sends to every other itself
  uint32_t slots_per_rank = 1;  // slot s lies on rank s / slots_per_rank
  uint32_t pairs_per_row = 1;   // at most
  size_t row_bytes = 0;
  size_t result_bytes = 0;
  Tag tag = 0;  // this and the two tags after it
};

struct Pair {
  uint32_t row = 0;   // of the sender's
  uint32_t slot = 0;  // of the instance
};

class Dispatch {
 public:
  // The port outlives it.
  Dispatch(Port& port, const DispatchShape& shape);

  // sources[r]: how many rows rank r has in this exchange. `rows`, this rank's own, stay as they
  // are until finish_combine(). `pairs`: each row with each of its experts' slots.
  void start(std::span<const uint32_t> sources, const std::byte* rows, std::span<const Pair> pairs);
  // Passes rows on inside the host as soon as they have come. To be called now and then while other
  // work is done: most ports move what is on its way only while they are asked about it.
  void progress();
  // Waits until all that this rank is to compute is here.
  void finish();

  // What is to be computed here: row `row` at arrived_rows() + row * row_bytes, by local slot.
  std::span<const Pair> arrived() const { return arrived_; }
  const std::byte* arrived_rows() const { return arrived_rows_; }
  // The result of arrived()[i]. While alone() it is not copied: its bytes then stay as they are
  // until finish_combine().
  void put(size_t i, const std::byte* result);
  bool alone() const { return alone_; }  // all that arrived are this rank's own rows

  void start_combine();
  void finish_combine();
  // The result of pairs[i].
  const std::byte* result(size_t i) const;

 private:
  struct From {  // a stretch of arrived_ that one rank's rows make
    uint32_t rank;
    size_t begin, count;
  };
  struct Carrier {  // a rank that brings rows, its own or others'
    uint32_t rank;
    Transfer transfer;
    size_t offset, capacity;  // in arrivals_
  };
  struct Parcel;  // rows and pairs of one source, as they lie in a message
  // Room for the most that could come. It is not written before something comes, so pages that
  // nothing comes to cost no memory: most of them, since few rows of all come to one rank.
  struct Room {
    std::unique_ptr<std::byte[]> bytes;
    size_t size = 0;
    void grow(size_t least);
    std::span<std::byte> part(size_t offset, size_t count) const { return {&bytes[offset], count}; }
  };

  uint32_t rank() const { return port_.rank(); }
  uint32_t host_of(uint32_t rank) const { return rank / shape_.ranks_per_host; }
  bool hosts() const { return shape_.ranks_per_host != 0; }
  size_t capacity(uint64_t rows) const;
  void sort(std::span<const Pair> pairs);
  void post_receives();
  std::vector<std::byte>& next_message();
  void send_own();
  void relay();
  bool column_has_rows(uint32_t place) const;
  template <class Each>
  void each_of_column(uint32_t place, Each&& each) const;
  Parcel own_parcel(uint32_t first_rank, uint32_t end_rank) const;
  void append(std::vector<std::byte>& to, const Parcel& parcel, uint32_t first_slot,
              uint32_t end_slot);
  void take(uint32_t source, const Parcel& parcel);
  size_t take_all(uint32_t source, std::span<const std::byte> message);

  Port& port_;
  DispatchShape shape_;
  std::vector<uint32_t> sources_;
  const std::byte* rows_ = nullptr;
  std::vector<Pair> sorted_;       // the own pairs by rank
  std::vector<size_t> begins_;     // [ranks + 1]: of each rank's in sorted_
  std::vector<size_t> sorted_at_;  // [pairs]: place in sorted_

  std::vector<std::vector<std::byte>> outgoing_;  // messages that are on their way: the first
  size_t messages_ = 0;                           // so many; the memory of all is kept
  std::vector<Transfer> sent_;
  std::vector<Carrier> hosts_in_;  // from the same place of other hosts
  std::vector<Carrier> carriers_;  // from the ranks that bring rows here
  Room host_arrivals_;
  Room arrivals_;
  bool relayed_ = true;
  bool arriving_ = false;  // between start() and finish()
  bool alone_ = true;

  std::vector<Pair> arrived_;
  std::vector<From> from_;
  std::vector<std::byte> arena_;  // rows from other ranks, and the own ones beside them
  const std::byte* arrived_rows_ = nullptr;
  std::vector<uint32_t> places_;  // scratch of take() and append()

  std::vector<std::byte> results_out_;         // [arrived from others]
  std::vector<const std::byte*> own_results_;  // [own pairs for this rank], while alone
  std::vector<std::byte> results_in_;          // [sorted_]
  std::vector<Transfer> results_;
};

}  // namespace baton::parallel
