#include "model/team/team_runner.h"

#include <algorithm>

#include "model/checkpoint/summary.h"
#include "parallel/exchange/collectives.h"

namespace baton::model {

namespace {

constexpr parallel::Tag kHeaderTag = 0;
constexpr parallel::Tag kGroupTag = 1;
constexpr parallel::Tag kResultTag = 2;
constexpr parallel::Tag kReportTag = 6;

bool owns_rows(const std::array<std::vector<uint32_t>, kBatchesMax>& sources, uint32_t rank) {
  return std::ranges::any_of(sources, [&](const auto& s) { return !s.empty() && s[rank] != 0; });
}

bool group_has_rows(const std::array<std::vector<uint32_t>, kBatchesMax>& sources, uint32_t tp,
                    uint32_t group) {
  for (uint32_t t = 0; t < tp; ++t) {
    if (owns_rows(sources, group * tp + t)) return true;
  }
  return false;
}

// A row's products in a layer apart from attention, over those for each position attended to in the
// decode form. Rough: it only says where a step is cut in two.
uint32_t row_work_of(const checkpoint::ModelConfig& c) {
  const size_t experts = c.experts_per_token + c.num_shared_experts;
  const size_t mlp = 3 * c.hidden_size * c.moe_intermediate_size * experts;
  const size_t heads = c.num_heads * c.hidden_size * (c.qk_nope_head_dim + 2 * c.v_head_dim);
  const size_t position = c.num_heads * (2 * c.kv_lora_rank + c.qk_rope_head_dim);
  return static_cast<uint32_t>((mlp + heads) / std::max<size_t>(position, 1) + 1);
}

RankStep rank_step(std::span<const SequenceRows> sequences, const GroupPlan& group,
                   const std::array<std::vector<uint32_t>, kBatchesMax>& sources,
                   const std::vector<std::vector<uint32_t>>& draft_sources) {
  return {sequences, &group, {sources[0], sources[1]}, draft_sources};
}

}  // namespace

Result<std::unique_ptr<TeamRunner>> TeamRunner::create(const checkpoint::Checkpoint& checkpoint,
                                                       const RunnerOptions& options,
                                                       parallel::Port& port,
                                                       std::function<void()> wake,
                                                       const Clock& clock) {
  check(port.rank() == 0, "a team is led by rank 0");
  BATON_TRY(rank, RankRunner::create(checkpoint, options, port));
  return std::unique_ptr<TeamRunner>(
      new TeamRunner(std::move(rank), checkpoint.config(), options, port, std::move(wake), clock));
}

TeamRunner::TeamRunner(std::unique_ptr<RankRunner> rank, const checkpoint::ModelConfig& config,
                       const RunnerOptions& options, parallel::Port& port,
                       std::function<void()> wake, const Clock& clock)
    : rank_(std::move(rank)),
      shape_{options.layout.tp, options.layout.dp, rank_->batches(), row_work_of(config)},
      port_(port),
      wake_(std::move(wake)),
      clock_(clock),
      balancer_(parallel::placement_shape(options.layout, checkpoint::model_shape(config)),
                rank_->expert_layers(), options.balance),
      view_(balancer_.view()) {}

TeamRunner::~TeamRunner() {
  if (shape_.ranks() == 1) return;
  wake_();
  write_header({.stop = true, .sources = {}, .draft_sources = {}, .experts = {}}, message_);
  parallel::broadcast(port_, kHeaderTag, message_);
}

std::vector<SequenceResult> TeamRunner::step(std::span<const SequenceRows> sequences,
                                             kvcache::PoolMemory& cache,
                                             const std::function<void(uint32_t)>& layer_done) {
  const StepPlan plan = plan_step(sequences, shape_, has_mtp());
  const parallel::BalanceOrders orders = balancer_.begin_step(clock_.now());
  if (shape_.ranks() > 1) tell(sequences, plan, orders);
  rank_->follow(orders);
  const GroupPlan& mine = plan.groups.front();
  own_group_.clear();
  for (const uint32_t i : mine.sequences) own_group_.push_back(sequences[i]);
  own_results_.assign(mine.sequences.size(), {});
  uint32_t told = 0;
  const auto tell_layer = [&](uint32_t layer) {
    told = layer + 1;
    if (layer_done) layer_done(layer);
  };
  rank_->step(rank_step(own_group_, mine, plan.sources, plan.draft_sources), cache, tell_layer,
              own_results_);
  std::vector<SequenceResult> results(sequences.size());
  for (const uint32_t i : rank_->answered()) {
    results[mine.sequences[i]] = std::move(own_results_[i]);
  }
  collect(plan, results);
  hear_reports(orders);
  // Whoever has answered has stored all its entries.
  for (uint32_t layer = told; layer < page_format().layers; ++layer) tell_layer(layer);
  return results;
}

void TeamRunner::tell(std::span<const SequenceRows> sequences, const StepPlan& plan,
                      const parallel::BalanceOrders& orders) {
  wake_();
  write_header({false, plan.sources, plan.draft_sources, orders}, message_);
  parallel::broadcast(port_, kHeaderTag, message_);
  for (uint32_t g = 0; g < plan.groups.size(); ++g) {
    if (plan.groups[g].rows == 0) continue;
    write_group(sequences, plan.groups[g], message_);
    for (uint32_t t = 0; t < shape_.tp; ++t) {
      const uint32_t rank = g * shape_.tp + t;
      if (rank != 0) parallel::send_sized(port_, rank, kGroupTag, message_);
    }
  }
}

void TeamRunner::collect(const StepPlan& plan, std::span<SequenceResult> results) {
  for (uint32_t rank = 1; rank < shape_.ranks(); ++rank) {
    if (!owns_rows(plan.sources, rank)) continue;
    parallel::receive_sized(port_, rank, kResultTag, message_);
    read_results(message_, plan.groups[rank / shape_.tp], results);
  }
  for (SequenceResult& result : results) std::ranges::sort(result.scores, {}, &ScoredRow::row);
}

void TeamRunner::hear_reports(const parallel::BalanceOrders& orders) {
  if (orders.asks(0)) balancer_.heard(0, rank_->report(orders));
  for (uint32_t rank = 1; rank < shape_.ranks(); ++rank) {
    if (!orders.asks(rank)) continue;
    parallel::receive_sized(port_, rank, kReportTag, message_);
    balancer_.heard(rank, read_report(message_));
  }
  balancer_.end_step();
  if (!orders.report && !orders.switched && orders.asked.empty()) return;
  std::lock_guard lock(view_mutex_);
  view_ = balancer_.view();
}

parallel::BalanceView TeamRunner::balance() const {
  std::lock_guard lock(view_mutex_);
  return view_;
}

StepServer::StepServer(RankRunner& rank, parallel::Port& port, uint32_t tp)
    : rank_(rank), port_(port), tp_(tp) {
  no_rows_.bounds.fill(std::vector<uint32_t>(tp + 1));
}

bool StepServer::serve(kvcache::PoolMemory& cache) {
  parallel::broadcast(port_, kHeaderTag, message_);
  const StepHeader header = read_header(message_);
  if (header.stop) return false;
  rank_.follow(header.experts);
  const bool busy = group_has_rows(header.sources, tp_, port_.rank() / tp_);
  if (busy) {
    parallel::receive_sized(port_, 0, kGroupTag, message_);
    read_group(message_, group_);
  }
  if (!busy) {
    no_rows_.drafts.assign(header.draft_sources.size(), {{}, std::vector<uint32_t>(tp_ + 1)});
  }
  const auto sequences = busy ? group_.sequences() : std::span<const SequenceRows>();
  results_.assign(sequences.size(), {});
  rank_.step(
      rank_step(sequences, busy ? group_.plan() : no_rows_, header.sources, header.draft_sources),
      cache, {}, results_);
  if (owns_rows(header.sources, port_.rank())) {
    write_results(rank_.answered(), results_, message_);
    parallel::send_sized(port_, 0, kResultTag, message_);
  }
  if (header.experts.asks(port_.rank())) {
    write_report(rank_.report(header.experts), message_);
    parallel::send_sized(port_, 0, kReportTag, message_);
  }
  return true;
}

}  // namespace baton::model
