#include "parallel/exchange/dispatch.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include "base/result.h"

namespace baton::parallel {

namespace {

constexpr uint32_t kNowhere = std::numeric_limits<uint32_t>::max();

struct Header {
  uint32_t rows = 0;
  uint32_t pairs = 0;
};

}  // namespace

// In a message: the header, the pairs (by slot's rank), then the rows that they name.
struct Dispatch::Parcel {
  std::span<const Pair> pairs;
  const std::byte* rows = nullptr;
};

Dispatch::Dispatch(Port& port, const DispatchShape& shape) : port_(port), shape_(shape) {
  check(!hosts() || port.size() % shape.ranks_per_host == 0, "hosts have equally many ranks");
}

void Dispatch::Room::grow(size_t least) {
  if (size >= least) return;
  bytes = std::make_unique_for_overwrite<std::byte[]>(least);
  size = least;
}

size_t Dispatch::capacity(uint64_t rows) const {
  return sizeof(Header) + rows * (shape_.row_bytes + shape_.pairs_per_row * sizeof(Pair));
}

// ---- the own rows set out ----------------------------------------------------------------------

void Dispatch::sort(std::span<const Pair> pairs) {
  begins_.assign(port_.size() + 1, 0);
  for (const Pair& pair : pairs) ++begins_[pair.slot / shape_.slots_per_rank + 1];
  for (uint32_t r = 0; r < port_.size(); ++r) begins_[r + 1] += begins_[r];
  sorted_.resize(pairs.size());
  sorted_at_.resize(pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    const size_t at = begins_[pairs[i].slot / shape_.slots_per_rank]++;
    sorted_[at] = pairs[i];
    sorted_at_[i] = at;
  }
  for (uint32_t r = port_.size(); r > 0; --r) begins_[r] = begins_[r - 1];
  begins_[0] = 0;
}

Dispatch::Parcel Dispatch::own_parcel(uint32_t first_rank, uint32_t end_rank) const {
  return {std::span(sorted_).subspan(begins_[first_rank], begins_[end_rank] - begins_[first_rank]),
          rows_};
}

// The pairs of [first_slot, end_slot), and each row that they name once.
void Dispatch::append(std::vector<std::byte>& to, const Parcel& parcel, uint32_t first_slot,
                      uint32_t end_slot) {
  const size_t at = to.size();
  Header header;
  uint32_t rows_end = 0;
  for (const Pair& pair : parcel.pairs) {
    if (pair.slot < first_slot || pair.slot >= end_slot) continue;
    ++header.pairs;
    rows_end = std::max(rows_end, pair.row + 1);
  }
  to.resize(at + sizeof header + header.pairs * sizeof(Pair));
  places_.assign(rows_end, kNowhere);
  std::byte* next = to.data() + at + sizeof header;
  for (const Pair& pair : parcel.pairs) {
    if (pair.slot < first_slot || pair.slot >= end_slot) continue;
    uint32_t& place = places_[pair.row];
    if (place == kNowhere) place = header.rows++;
    const Pair renamed{place, pair.slot};
    std::memcpy(next, &renamed, sizeof renamed);
    next += sizeof renamed;
  }
  std::memcpy(to.data() + at, &header, sizeof header);
  const size_t rows_at = to.size();
  to.resize(rows_at + header.rows * shape_.row_bytes);
  for (uint32_t row = 0; row < rows_end; ++row) {
    if (places_[row] == kNowhere) continue;
    std::memcpy(to.data() + rows_at + places_[row] * shape_.row_bytes,
                parcel.rows + row * shape_.row_bytes, shape_.row_bytes);
  }
}

std::vector<std::byte>& Dispatch::next_message() {
  if (messages_ == outgoing_.size()) outgoing_.emplace_back();
  outgoing_[messages_].clear();
  return outgoing_[messages_++];
}

void Dispatch::send_own() {
  if (sources_[rank()] == 0) return;
  const uint32_t per_rank = shape_.slots_per_rank;
  const auto send = [&](uint32_t to, uint32_t first_rank, uint32_t end_rank, Tag tag) {
    auto& message = next_message();
    append(message, own_parcel(first_rank, end_rank), first_rank * per_rank, end_rank * per_rank);
    sent_.push_back(port_.send(to, tag, message));
  };
  // Each starts with its neighbour, so that not all send to rank 0 at once.
  if (!hosts()) {
    for (uint32_t i = 1; i < port_.size(); ++i) {
      const uint32_t to = (rank() + i) % port_.size();
      send(to, to, to + 1, shape_.tag);
    }
    return;
  }
  const uint32_t per_host = shape_.ranks_per_host;
  const uint32_t count = port_.size() / per_host;
  for (uint32_t i = 1; i < count; ++i) {
    const uint32_t host = (host_of(rank()) + i) % count;
    send(host * per_host + rank() % per_host, host * per_host, (host + 1) * per_host, shape_.tag);
  }
}

// ---- what comes in -----------------------------------------------------------------------------

// The ranks at one place of all hosts that have rows.
template <class Each>
void Dispatch::each_of_column(uint32_t place, Each&& each) const {
  for (uint32_t r = place; r < port_.size(); r += shape_.ranks_per_host) {
    if (sources_[r] != 0) each(r);
  }
}

bool Dispatch::column_has_rows(uint32_t place) const {
  bool any = false;
  each_of_column(place, [&](uint32_t) { any = true; });
  return any;
}

void Dispatch::post_receives() {
  hosts_in_.clear();
  carriers_.clear();
  size_t bytes = 0;
  size_t host_bytes = 0;
  const auto add = [](std::vector<Carrier>& to, uint32_t rank, size_t& at, size_t capacity) {
    to.push_back({rank, {}, at, capacity});
    at += capacity;
  };
  if (!hosts()) {
    for (uint32_t r = 0; r < port_.size(); ++r) {
      if (r != rank() && sources_[r] != 0) add(carriers_, r, bytes, capacity(sources_[r]));
    }
  } else {
    const uint32_t place = rank() % shape_.ranks_per_host;
    each_of_column(place, [&](uint32_t r) {
      if (r != rank()) add(hosts_in_, r, host_bytes, capacity(sources_[r]));
    });
    const uint32_t first = host_of(rank()) * shape_.ranks_per_host;
    for (uint32_t i = 0; i < shape_.ranks_per_host; ++i) {
      if (i == place || !column_has_rows(i)) continue;
      size_t most = 0;
      each_of_column(i, [&](uint32_t r) { most += capacity(sources_[r]); });
      add(carriers_, first + i, bytes, most);
    }
  }
  arrivals_.grow(bytes);
  host_arrivals_.grow(host_bytes);
  for (Carrier& c : carriers_) {
    const Tag tag = hosts() ? shape_.tag + 1 : shape_.tag;
    c.transfer = port_.receive(c.rank, tag, arrivals_.part(c.offset, c.capacity));
  }
  for (Carrier& c : hosts_in_) {
    c.transfer = port_.receive(c.rank, shape_.tag, host_arrivals_.part(c.offset, c.capacity));
  }
}

void Dispatch::start(std::span<const uint32_t> sources, const std::byte* rows,
                     std::span<const Pair> pairs) {
  check(sources.size() == port_.size(), "an exchange knows how many rows each rank has");
  sources_.assign(sources.begin(), sources.end());
  rows_ = rows;
  messages_ = 0;
  sent_.clear();
  arriving_ = true;
  relayed_ = !hosts() || !column_has_rows(rank() % shape_.ranks_per_host);
  sort(pairs);
  post_receives();
  send_own();
  results_in_.resize(std::max(results_in_.size(), sorted_.size() * shape_.result_bytes));
  results_.clear();
  for (uint32_t r = 0; r < port_.size(); ++r) {
    const size_t count = begins_[r + 1] - begins_[r];
    if (r == rank() || count == 0) continue;
    results_.push_back(
        port_.receive(r, shape_.tag + 2,
                      std::span(results_in_)
                          .subspan(begins_[r] * shape_.result_bytes, count * shape_.result_bytes)));
  }
}

namespace {

template <class Parcel>
size_t read_parcel(std::span<const std::byte> message, size_t row_bytes, Parcel& parcel) {
  Header header;
  check(message.size() >= sizeof header, "a parcel has its header");
  std::memcpy(&header, message.data(), sizeof header);
  const size_t pairs = header.pairs * sizeof(Pair);
  const size_t size = sizeof header + pairs + header.rows * row_bytes;
  check(message.size() >= size, "a parcel is whole");
  parcel.pairs = {reinterpret_cast<const Pair*>(message.data() + sizeof header), header.pairs};
  parcel.rows = message.data() + sizeof header + pairs;
  return size;
}

}  // namespace

// The rows that came from other hosts for the ranks beside this one, and the own ones, passed on.
void Dispatch::relay() {
  relayed_ = true;
  const uint32_t per_host = shape_.ranks_per_host;
  const uint32_t first = host_of(rank()) * per_host;
  const uint32_t slots = shape_.slots_per_rank;
  for (uint32_t i = 1; i < per_host; ++i) {
    const uint32_t to = first + (rank() + i) % per_host;
    auto& message = next_message();
    each_of_column(rank() % per_host, [&](uint32_t source) {
      Parcel parcel = own_parcel(to, to + 1);
      if (source != rank()) {
        const auto in = std::ranges::find(hosts_in_, source, &Carrier::rank);
        read_parcel(host_arrivals_.part(in->offset, in->capacity), shape_.row_bytes, parcel);
      }
      append(message, parcel, to * slots, (to + 1) * slots);
    });
    sent_.push_back(port_.send(to, shape_.tag + 1, message));
  }
}

void Dispatch::progress() {
  const auto of_carrier = [](const Carrier& carrier) { return carrier.transfer; };
  const auto done = [&](const auto& all, auto transfer_of) {
    return std::ranges::all_of(all, [&](auto& each) { return port_.done(transfer_of(each)); });
  };
  if (relayed_) {
    // Asks for the first that is not done, which moves all along.
    if (arriving_ && !done(carriers_, of_carrier)) return;
    if (done(results_, std::identity())) done(sent_, std::identity());
    return;
  }
  if (!done(hosts_in_, of_carrier)) return;
  for (Carrier& c : hosts_in_) c.capacity = port_.wait(c.transfer);
  relay();
}

void Dispatch::finish() {
  if (!relayed_) {
    for (Carrier& c : hosts_in_) c.capacity = port_.wait(c.transfer);
    relay();
  }
  arriving_ = false;
  arrived_.clear();
  from_.clear();
  arena_.clear();
  arrived_rows_ = rows_;
  // The own rows come first and are read where they are if no others come.
  const Parcel own = own_parcel(rank(), rank() + 1);
  alone_ = carriers_.empty() && hosts_in_.empty();
  if (alone_) {
    from_.push_back({rank(), 0, own.pairs.size()});
    for (const Pair& pair : own.pairs) arrived_.push_back(pair);
  } else {
    take(rank(), own);
  }
  for (const Carrier& c : hosts_in_) {
    Parcel parcel;
    read_parcel(host_arrivals_.part(c.offset, c.capacity), shape_.row_bytes, parcel);
    take(c.rank, parcel);
  }
  for (const Carrier& c : carriers_) {
    const size_t size = port_.wait(c.transfer);
    std::span<const std::byte> message = arrivals_.part(c.offset, size);
    if (!hosts()) {
      take_all(c.rank, message);
      continue;
    }
    each_of_column(c.rank % shape_.ranks_per_host,
                   [&](uint32_t source) { message = message.subspan(take_all(source, message)); });
  }
  if (!alone_) arrived_rows_ = arena_.data();
  for (Pair& pair : arrived_) pair.slot -= rank() * shape_.slots_per_rank;
  own_results_.resize(from_.front().count);
  results_out_.resize((arrived_.size() - own_results_.size()) * shape_.result_bytes);
}

size_t Dispatch::take_all(uint32_t source, std::span<const std::byte> message) {
  Parcel parcel;
  const size_t size = read_parcel(message, shape_.row_bytes, parcel);
  take(source, parcel);
  return size;
}

// The pairs of a parcel that are for this rank, and copies of their rows.
void Dispatch::take(uint32_t source, const Parcel& parcel) {
  const uint32_t first = rank() * shape_.slots_per_rank;
  from_.push_back({source, arrived_.size(), 0});
  uint32_t rows_end = 0;
  for (const Pair& pair : parcel.pairs) rows_end = std::max(rows_end, pair.row + 1);
  places_.assign(rows_end, kNowhere);
  for (const Pair& pair : parcel.pairs) {
    if (pair.slot < first || pair.slot >= first + shape_.slots_per_rank) continue;
    uint32_t& place = places_[pair.row];
    if (place == kNowhere) {
      place = static_cast<uint32_t>(arena_.size() / shape_.row_bytes);
      const std::byte* row = parcel.rows + pair.row * shape_.row_bytes;
      arena_.insert(arena_.end(), row, row + shape_.row_bytes);
    }
    arrived_.push_back({place, pair.slot});
  }
  from_.back().count = arrived_.size() - from_.back().begin;
}

// ---- the results -------------------------------------------------------------------------------

void Dispatch::put(size_t i, const std::byte* result) {
  if (alone_) {
    own_results_[i] = result;
    return;
  }
  const size_t own = own_results_.size();
  std::byte* to = i < own ? results_in_.data() + (begins_[rank()] + i) * shape_.result_bytes
                          : results_out_.data() + (i - own) * shape_.result_bytes;
  std::memcpy(to, result, shape_.result_bytes);
}

void Dispatch::start_combine() {
  const size_t own = own_results_.size();
  for (const From& from : from_) {
    if (from.rank == rank() || from.count == 0) continue;
    sent_.push_back(port_.send(
        from.rank, shape_.tag + 2,
        std::span(results_out_)
            .subspan((from.begin - own) * shape_.result_bytes, from.count * shape_.result_bytes)));
  }
}

void Dispatch::finish_combine() {
  for (const Transfer transfer : results_) port_.wait(transfer);
  for (const Transfer transfer : sent_) port_.wait(transfer);
  results_.clear();
  sent_.clear();
}

const std::byte* Dispatch::result(size_t i) const {
  const size_t at = sorted_at_[i];
  const bool own = at >= begins_[rank()] && at < begins_[rank() + 1];
  if (own && alone_) return own_results_[at - begins_[rank()]];
  return results_in_.data() + at * shape_.result_bytes;
}

}  // namespace baton::parallel
