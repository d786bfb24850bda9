#include "bench/parallel/tools/counted_exchange.h"

#include <algorithm>
#include <memory>

#include "bench/parallel/tools/tokens.h"
#include "parallel/balance/replica_choice.h"
#include "parallel/exchange/local_port.h"

namespace baton::bench {

namespace {

using parallel::Pair;

// Counts what is sent, apart between hosts and inside them.
class CountingPort final : public parallel::Port {
 public:
  CountingPort(std::unique_ptr<Port> port, size_t row_bytes, Carried& to)
      : port_(std::move(port)), row_bytes_(row_bytes), to_(to) {}

  uint32_t rank() const override { return port_->rank(); }
  uint32_t size() const override { return port_->size(); }
  parallel::Transfer send(uint32_t to, parallel::Tag tag,
                          std::span<const std::byte> bytes) override {
    const bool inside = to / kRanksPerHost == rank() / kRanksPerHost;
    (inside ? to_.stages[tag].inside : to_.stages[tag].between) +=
        Way{1, bytes.size() < row_bytes_ ? 1u : 0u, bytes.size()};
    return port_->send(to, tag, bytes);
  }
  parallel::Transfer receive(uint32_t from, parallel::Tag tag,
                             std::span<std::byte> buffer) override {
    return port_->receive(from, tag, buffer);
  }
  bool done(parallel::Transfer transfer) override { return port_->done(transfer); }
  size_t wait(parallel::Transfer transfer) override { return port_->wait(transfer); }
  const parallel::PortCounts& counts() const override { return port_->counts(); }

 private:
  std::unique_ptr<Port> port_;
  size_t row_bytes_;
  Carried& to_;
};

void count_row(uint32_t source, std::span<const Pair> pairs, uint32_t slots_per_rank,
               Needed& needed) {
  std::array<uint32_t, kChosen + 1> ranks{}, hosts{};
  size_t rank_count = 0, host_count = 0;
  const auto is_new = [](auto& seen, size_t& count, uint32_t value) {
    if (std::find(seen.begin(), seen.begin() + count, value) != seen.begin() + count) return false;
    seen[count++] = value;
    return true;
  };
  const uint32_t own_host = source / kRanksPerHost;
  for (const Pair& pair : pairs) {
    const uint32_t rank = pair.slot / slots_per_rank;
    const uint32_t host = rank / kRanksPerHost;
    const bool passed = rank % kRanksPerHost != source % kRanksPerHost;
    needed.pairs += rank != source ? 1 : 0;
    needed.far_pairs += host != own_host ? 1 : 0;
    needed.passed_pairs += passed ? 1 : 0;
    if (is_new(ranks, rank_count, rank)) {
      needed.ranks += rank != source ? 1 : 0;
      needed.far_ranks += host != own_host ? 1 : 0;
      needed.passed_rows += passed ? 1 : 0;
    }
    if (is_new(hosts, host_count, host)) needed.hosts += host != own_host ? 1 : 0;
  }
}

}  // namespace

CountedExchange::CountedExchange(const parallel::Layout& layout, bool two_stages, size_t row_bytes)
    : topology_(layout),
      two_stages_(two_stages),
      per_rank_(layout.slots_per_rank(kExperts)),
      per_row_(kChosen + (layout.shared == parallel::SharedExpert::routed ? 1 : 0)),
      row_bytes_(row_bytes) {}

void CountedExchange::run(const parallel::ExpertPlacement& placement,
                          std::span<const uint32_t> choices) {
  const uint32_t ranks = topology_.ranks();
  const auto rows = static_cast<uint32_t>(choices.size() / per_row_ / ranks);
  parallel::LocalHub hub(ranks);
  const std::vector<uint32_t> sources(ranks, rows);
  const std::vector<std::byte> values(rows * row_bytes_);
  std::vector<std::unique_ptr<CountingPort>> ports;
  std::vector<std::unique_ptr<parallel::Dispatch>> dispatches;
  for (uint32_t r = 0; r < ranks; ++r) {
    ports.push_back(std::make_unique<CountingPort>(hub.port(r), row_bytes_, carried_));
    dispatches.push_back(std::make_unique<parallel::Dispatch>(
        *ports.back(), parallel::DispatchShape{.ranks_per_host = two_stages_ ? kRanksPerHost : 0,
                                               .slots_per_rank = per_rank_,
                                               .pairs_per_row = per_row_,
                                               .row_bytes = row_bytes_,
                                               .result_bytes = row_bytes_}));
    const auto mine = choices.subspan(size_t{r} * rows * per_row_, size_t{rows} * per_row_);
    dispatches.back()->start(sources, values.data(), pairs_of(placement, r, mine));
  }
  for (auto& dispatch : dispatches) dispatch->progress();
  for (auto& dispatch : dispatches) {
    dispatch->finish();
    for (size_t i = 0; i < dispatch->arrived().size(); ++i) dispatch->put(i, values.data());
  }
  for (auto& dispatch : dispatches) dispatch->start_combine();
  for (auto& dispatch : dispatches) dispatch->finish_combine();
}

std::vector<Pair> CountedExchange::pairs_of(const parallel::ExpertPlacement& placement,
                                            uint32_t rank, std::span<const uint32_t> experts) {
  const parallel::ReplicaChoice choice(
      placement, topology_, rank,
      two_stages_ ? parallel::Nearness::own_host : parallel::Nearness::any_host);
  std::vector<uint32_t> turns(placement.experts()), slots(experts.size());
  choice.choose(experts, turns, slots);
  std::vector<Pair> pairs;
  for (size_t i = 0; i < slots.size(); ++i) {
    pairs.push_back({static_cast<uint32_t>(i / per_row_), slots[i]});
  }
  for (size_t i = 0; i < pairs.size(); i += per_row_) {
    count_row(rank, std::span(pairs).subspan(i, per_row_), per_rank_, needed_);
  }
  return pairs;
}

}  // namespace baton::bench
