#include "model/team/step_plan.h"

#include <algorithm>
#include <ranges>

namespace baton::model {

namespace {

// Where a group's rows may not be cut: inside [first, end).
struct Tail {
  uint32_t first, end;
};

// The cut nearest above `at` that leaves every tail whole, unless the one below is nearer.
uint32_t allowed_cut(std::span<const Tail> tails, uint32_t at) {
  const auto tail = std::ranges::upper_bound(tails, at, {}, &Tail::end);
  if (tail == tails.end() || at <= tail->first) return at;
  return at - tail->first < tail->end - at ? tail->first : tail->end;
}

// [parts + 1] cuts of [begin, end).
std::vector<uint32_t> cuts(std::span<const Tail> tails, uint32_t begin, uint32_t end,
                           uint32_t parts) {
  std::vector<uint32_t> at(parts + 1);
  for (uint32_t p = 0; p <= parts; ++p) {
    const auto even = begin + static_cast<uint32_t>(uint64_t{end - begin} * p / parts);
    at[p] = std::clamp(allowed_cut(tails, even), p == 0 ? begin : at[p - 1], end);
  }
  return at;
}

uint32_t owner_of(const GroupPlan& group, uint32_t row) {
  for (const auto& bounds : group.bounds) {
    if (bounds.empty() || row >= bounds.back()) continue;
    return static_cast<uint32_t>(std::ranges::upper_bound(bounds, row) - bounds.begin()) - 1;
  }
  return 0;
}

// The cut that leaves half of a group's work on either side: a row costs what all rows cost, and
// attends to the positions before it.
uint32_t middle_of(std::span<const SequenceRows> sequences, const GroupPlan& plan,
                   uint32_t row_work) {
  uint64_t whole = 0;
  const auto work = [&](const SequenceRows& s, uint64_t rows) {
    return rows * (row_work + uint64_t{s.first}) + rows * (rows + 1) / 2;
  };
  for (const uint32_t i : plan.sequences) whole += work(sequences[i], row_count(sequences[i]));
  uint64_t before = 0;
  uint32_t row = 0;
  for (const uint32_t i : plan.sequences) {
    const uint32_t rows = row_count(sequences[i]);
    if (2 * (before + work(sequences[i], rows)) < whole) {
      before += work(sequences[i], rows);
      row += rows;
      continue;
    }
    const auto inside = std::views::iota(uint32_t{0}, rows);
    const auto first = std::ranges::partition_point(inside, [&](uint32_t r) {
      return before + work(sequences[i], r) + before + work(sequences[i], r + 1) < whole;
    });
    return row + *first;
  }
  return row;
}

uint32_t depth_of(const SequenceRows& s) { return s.sampling == nullptr ? 0 : s.draft_depth; }

GroupPlan plan_group(std::span<const SequenceRows> sequences, uint32_t group,
                     const StepShape& shape, uint32_t depths) {
  GroupPlan plan;
  std::vector<Tail> tails;
  std::vector<uint32_t> last_rows;  // of each sequence
  uint32_t rows = 0;
  for (uint32_t i = 0; i < sequences.size(); ++i) {
    const SequenceRows& s = sequences[i];
    if (s.group != group) continue;
    plan.sequences.push_back(i);
    const uint32_t end = rows + row_count(s);
    if (s.sampling != nullptr) {
      tails.push_back({end - static_cast<uint32_t>(1 + s.drafts.size()), end});
    }
    rows = end;
    last_rows.push_back(end - 1);
  }
  plan.rows = rows;
  std::vector<uint32_t> halves = {0, rows};
  if (shape.batches == 2) {
    halves.insert(halves.begin() + 1,
                  allowed_cut(tails, middle_of(sequences, plan, shape.row_work)));
  }
  for (uint32_t b = 0; b < shape.batches; ++b) {
    plan.bounds[b] = cuts(tails, halves[b], halves[b + 1], shape.tp);
  }
  for (uint32_t depth = 0; depth < depths; ++depth) {
    DraftPlan& drafts = plan.drafts.emplace_back();
    drafts.bounds.push_back(0);
    for (uint32_t t = 0; t < shape.tp; ++t) {
      for (uint32_t i = 0; i < plan.sequences.size(); ++i) {
        const SequenceRows& s = sequences[plan.sequences[i]];
        if (depth < depth_of(s) && owner_of(plan, last_rows[i]) == t) drafts.sequences.push_back(i);
      }
      drafts.bounds.push_back(static_cast<uint32_t>(drafts.sequences.size()));
    }
  }
  return plan;
}

}  // namespace

StepPlan plan_step(std::span<const SequenceRows> sequences, const StepShape& shape, bool drafts) {
  StepPlan plan;
  uint32_t depths = 0;
  for (const SequenceRows& s : sequences) {
    if (drafts) depths = std::max(depths, depth_of(s));
  }
  plan.draft_sources.resize(depths);
  for (uint32_t g = 0; g < shape.dp; ++g) {
    const GroupPlan& group = plan.groups.emplace_back(plan_group(sequences, g, shape, depths));
    for (uint32_t t = 0; t < shape.tp; ++t) {
      for (uint32_t b = 0; b < shape.batches; ++b) {
        plan.sources[b].push_back(group.bounds[b][t + 1] - group.bounds[b][t]);
      }
      for (uint32_t d = 0; d < depths; ++d) {
        plan.draft_sources[d].push_back(group.drafts[d].bounds[t + 1] - group.drafts[d].bounds[t]);
      }
    }
  }
  return plan;
}

}  // namespace baton::model
