#include "model/layers/experts.h"

#include <algorithm>

#include "base/result.h"

namespace baton::layers {

namespace {

constexpr parallel::Tag kFirstTag = 16;  // three for each micro-batch
// Multiply-adds between two looks at the exchanges: a millisecond of a core, or a few.
constexpr size_t kBlockWork = size_t{1} << 25;

const float* floats(const std::byte* bytes) { return reinterpret_cast<const float*>(bytes); }

}  // namespace

Experts::Experts(const checkpoint::ModelConfig& config, const ExpertSetup& setup,
                 parallel::Port& port, kernels::Team& team, Mlp& mlp)
    : router_(config),
      hidden_(config.hidden_size),
      experts_(config.num_routed_experts),
      routed_shared_(setup.routed_shared),
      pairs_max_(setup.rows_max * pairs_per_row()),
      team_(team),
      mlp_(mlp),
      batches_(setup.batches),
      logits_(setup.rows_max * config.num_routed_experts),
      scratch_(team.pool().size() * router_.scratch_floats()),
      counts_(setup.slots_per_rank),
      turns_(config.num_routed_experts + (routed_shared_ ? 1 : 0)),
      begins_(setup.slots_per_rank + 1),
      gathered_(pairs_max_),
      places_(pairs_max_),
      sums_(team.pool().size() * hidden_) {
  jobs_.reserve(setup.slots_per_rank);
  logical_.reserve(pairs_max_);
  slots_.reserve(pairs_max_);
  for (uint32_t b = 0; b < setup.batches; ++b) {
    Batch& batch = batches_[b];
    batch.experts.resize(setup.rows_max * chosen());
    batch.weights.resize(setup.rows_max * chosen());
    batch.pairs.reserve(pairs_max_);
    batch.outputs.resize(pairs_max_ * hidden_);
    if (config.num_shared_experts > 0 && !routed_shared_) {
      batch.shared_out.resize(setup.rows_max * hidden_);
    }
    batch.dispatch = std::make_unique<parallel::Dispatch>(
        port, parallel::DispatchShape{.ranks_per_host = setup.ranks_per_host,
                                      .slots_per_rank = setup.slots_per_rank,
                                      .pairs_per_row = static_cast<uint32_t>(pairs_per_row()),
                                      .row_bytes = hidden_ * sizeof(float),
                                      .result_bytes = hidden_ * sizeof(float),
                                      .tag = kFirstTag + 3 * b});
  }
}

std::span<const uint32_t> Experts::chosen_experts(uint32_t batch) const {
  return std::span(batches_[batch].experts).first(batches_[batch].rows * chosen());
}

std::span<const float> Experts::chosen_weights(uint32_t batch) const {
  return std::span(batches_[batch].weights).first(batches_[batch].rows * chosen());
}

void Experts::route(Batch& batch, const MoeWeights& weights, const float* x) {
  team_.multiply({x, hidden_, nullptr}, batch.rows, weights.router, logits_.data(), experts_);
  const size_t k = chosen();
  team_.run(batch.rows, experts_ * k, [&](size_t row, unsigned thread) {
    const size_t floats = router_.scratch_floats();
    router_.choose(team_.kernels(), std::span(logits_).subspan(row * experts_, experts_),
                   weights.router_bias, std::span(scratch_).subspan(thread * floats, floats),
                   std::span(batch.experts).subspan(row * k, k),
                   std::span(batch.weights).subspan(row * k, k));
  });
}

void Experts::choose_slots(uint32_t index, const parallel::ReplicaChoice& replicas) {
  Batch& batch = batches_[index];
  logical_.clear();
  for (uint32_t row = 0; row < batch.rows; ++row) {
    for (size_t i = row * chosen(); i < (row + 1) * chosen(); ++i) {
      logical_.push_back(batch.experts[i]);
    }
    if (routed_shared_) logical_.push_back(static_cast<uint32_t>(experts_));
  }
  if (index == 0) std::ranges::fill(turns_, 0);  // the second batch goes on in turn
  slots_.resize(logical_.size());
  replicas.choose(logical_, turns_, slots_);
  batch.pairs.clear();
  for (size_t i = 0; i < slots_.size(); ++i) {
    batch.pairs.push_back({static_cast<uint32_t>(i / pairs_per_row()), slots_[i]});
  }
}

void Experts::progress() {
  for (Batch& batch : batches_) batch.dispatch->progress();
}

void Experts::start(uint32_t index, const MoeWeights& weights,
                    const parallel::ReplicaChoice& replicas, std::span<const uint32_t> sources,
                    uint32_t rows, const float* x) {
  Batch& batch = batches_[index];
  batch.rows = rows;
  route(batch, weights, x);
  choose_slots(index, replicas);
  batch.dispatch->start(sources, reinterpret_cast<const std::byte*>(x), batch.pairs);
  batch.shared = weights.shared.has_value();
  if (batch.shared) {
    const MlpJob job{&*weights.shared, {x, hidden_, nullptr}, rows, 0};
    mlp_.run(std::span(&job, 1), batch.shared_out.data());
  }
  progress();
}

// Slot by slot, or as many of them as are worth a look at the exchanges.
void Experts::run_jobs(Batch& batch) {
  size_t first = 0;
  size_t work = 0;
  for (size_t i = 0; i < jobs_.size(); ++i) {
    work += 3 * jobs_[i].rows * hidden_ * jobs_[i].weights->down.cols();
    if (i + 1 < jobs_.size() && (work < kBlockWork || batch.dispatch->alone())) continue;
    mlp_.run(std::span(jobs_).subspan(first, i + 1 - first), batch.outputs.data());
    progress();
    first = i + 1;
    work = 0;
  }
}

// Rows that arrived for one slot follow one another, so that its weights are read once.
void Experts::compute_some(Batch& batch, const MoeWeights& weights, size_t first, size_t count) {
  const auto arrived = batch.dispatch->arrived().subspan(first, count);
  const float* rows = floats(batch.dispatch->arrived_rows());
  std::ranges::fill(begins_, 0);
  for (const parallel::Pair& pair : arrived) ++begins_[pair.slot + 1];
  jobs_.clear();
  for (size_t slot = 0; slot + 1 < begins_.size(); ++slot) {
    const uint32_t begin = begins_[slot];
    const uint32_t count_here = begins_[slot + 1];
    begins_[slot + 1] += begin;
    counts_[slot] += count_here;
    if (count_here == 0) continue;
    jobs_.push_back(
        {&weights.slots[slot], {rows, hidden_, gathered_.data() + begin}, count_here, begin});
  }
  for (size_t i = 0; i < arrived.size(); ++i) {
    const uint32_t place = begins_[arrived[i].slot]++;
    gathered_[place] = arrived[i].row;
    places_[i] = place;
  }
  run_jobs(batch);
  team_.run(arrived.size(), hidden_, [&](size_t i, unsigned) {
    const float* out = batch.outputs.data() + places_[i] * hidden_;
    batch.dispatch->put(first + i, reinterpret_cast<const std::byte*>(out));
  });
}

void Experts::compute(uint32_t index, const MoeWeights& weights) {
  Batch& batch = batches_[index];
  batch.dispatch->finish();
  std::ranges::fill(counts_, 0);
  const size_t arrived = batch.dispatch->arrived().size();
  check(!batch.dispatch->alone() || arrived <= pairs_max_, "a rank's own pairs fit one pass");
  for (size_t first = 0; first < arrived; first += pairs_max_) {
    compute_some(batch, weights, first, std::min(pairs_max_, arrived - first));
  }
  batch.dispatch->start_combine();
}

void Experts::combine_row(const Batch& batch, uint32_t row, unsigned thread,
                          float* residual) const {
  const auto& k = team_.kernels();
  float* sum = sums_.data() + thread * hidden_;
  std::fill_n(sum, hidden_, 0.0f);
  const size_t first = row * pairs_per_row();
  for (size_t i = 0; i < chosen(); ++i) {
    k.add_scaled(sum, floats(batch.dispatch->result(first + i)), batch.weights[row * chosen() + i],
                 hidden_);
  }
  if (routed_shared_) k.add(sum, floats(batch.dispatch->result(first + chosen())), hidden_);
  if (batch.shared) k.add(sum, batch.shared_out.data() + row * hidden_, hidden_);
  k.add(residual + row * hidden_, sum, hidden_);
}

void Experts::combine(uint32_t index, float* residual) {
  const Batch& batch = batches_[index];
  batches_[index].dispatch->finish_combine();
  team_.run(batch.rows, chosen() * hidden_, [&](size_t row, unsigned thread) {
    combine_row(batch, static_cast<uint32_t>(row), thread, residual);
  });
}

}  // namespace baton::layers
