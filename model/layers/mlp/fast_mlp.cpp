#include "model/layers/mlp/fast_mlp.h"

#include <algorithm>

#include "base/result.h"

namespace baton::layers {
namespace {

constexpr size_t kFewRows = 32;  // of a call, whose activations wait as float32
constexpr size_t kGroupPanels = kernels::kGroupCols / kernels::kInt8PanelRows;

kernels::Contraction whole(size_t cols) { return {1, static_cast<uint32_t>(cols)}; }

kernels::Int8Buffer buffer(size_t rows, size_t cols) {
  return kernels::Int8Buffer(int8_size(rows, whole(cols)));
}

// Of rows that together have so many values, whatever their width.
kernels::Int8Size size_of_values(size_t rows, size_t values) {
  return {values + rows * kernels::kRowPadding, values / kernels::kGroupCols + rows};
}

}  // namespace

FastMlp::FastMlp(kernels::Team& team, const MlpLimits& limits)
    : team_(team),
      width_(limits.width),
      in_(buffer(limits.rows, limits.hidden)),
      acts_(size_of_values(limits.rows, limits.values)),
      few_(std::min(kFewRows, limits.rows) * limits.width),
      threads_(team.pool().size()) {
  rows_.reserve(limits.rows);
  ends_.reserve(limits.rows);
  for (ThreadBuffers& mine : threads_) {
    mine.gate.resize(kernels::kInt8RowsMax * kernels::kGroupCols);
    mine.up.resize(kernels::kInt8RowsMax * kernels::kGroupCols);
    mine.codes = buffer(std::min(kFewRows, limits.rows), limits.width);
  }
}

// Each job's rows, one after the other.
void FastMlp::quantise_rows(std::span<const MlpJob> jobs) {
  rows_.clear();
  for (size_t j = 0; j < jobs.size(); ++j) {
    check(jobs[j].first == rows_.size(), "jobs' rows follow one another");
    for (size_t r = 0; r < jobs[j].rows; ++r) rows_.push_back({j, r});
  }
  const size_t hidden = jobs.front().weights->gate.cols();
  in_.shape(whole(hidden), rows_.size());
  team_.run(rows_.size(), hidden, [&](size_t row, unsigned) {
    const kernels::RowsView& in = jobs[rows_[row].job].in;
    const size_t at = in.index == nullptr ? rows_[row].part : in.index[rows_[row].part];
    in_.quantize(team_.kernels(), row, in.base + at * in.stride);
  });
}

template <class Parts, class Body>
void FastMlp::each_part(std::span<const MlpJob> jobs, size_t work, Parts&& parts, Body&& body) {
  ends_.clear();
  size_t items = 0;
  for (const MlpJob& job : jobs) {
    items += parts(job);
    ends_.push_back(items);
  }
  team_.run(items, work, [&](size_t item, unsigned thread) {
    const auto end = std::ranges::upper_bound(ends_, item);
    const auto job = static_cast<size_t>(end - ends_.begin());
    body(jobs[job], job == 0 ? item : item - ends_[job - 1], thread);
  });
}

// silu(gate) * up of some of a job's rows, for panels [panel, panel + panels) of its width.
void FastMlp::activate(const MlpJob& job, size_t panel, size_t panels, size_t row, size_t rows,
                       float* out, size_t stride, unsigned thread) {
  const auto& k = team_.kernels();
  const auto& gate = job.weights->gate.panels();
  const kernels::Int8Rows in = in_.rows(job.first + row);
  float* up = threads_[thread].up.data();
  multiply_panels(k, in, rows, gate, panel, panel + panels, out, stride);
  multiply_panels(k, in, rows, job.weights->up.panels(), panel, panel + panels, up,
                  kernels::kGroupCols);
  const size_t first = panel * kernels::kInt8PanelRows;
  const size_t count = std::min(panels * kernels::kInt8PanelRows, gate.rows() - first);
  for (size_t r = 0; r < rows; ++r)
    k.silu_mul(out + r * stride, up + r * kernels::kGroupCols, count);
}

void FastMlp::run_many(std::span<const MlpJob> jobs, float* out) {
  const auto& k = team_.kernels();
  size_t width = 0;  // the widest
  for (const MlpJob& job : jobs) width = std::max(width, job.weights->gate.rows());
  acts_.shape(whole(width), rows_.size());
  const auto groups = [](const MlpJob& job) {
    return (job.weights->gate.panels().panels() + kGroupPanels - 1) / kGroupPanels;
  };
  const size_t hidden = jobs.front().weights->down.rows();
  const size_t work = rows_.size() / jobs.size() * kernels::kGroupCols * hidden;
  each_part(jobs, work, groups, [&](const MlpJob& job, size_t group, unsigned thread) {
    const auto& gate = job.weights->gate.panels();
    const size_t panel = group * kGroupPanels;
    const size_t panels = std::min(kGroupPanels, gate.panels() - panel);
    const size_t first = group * kernels::kGroupCols;
    const size_t cols = std::min(kernels::kGroupCols, gate.rows() - first);
    float* acts = threads_[thread].gate.data();
    for (size_t row = 0; row < job.rows; row += kernels::kInt8RowsMax) {
      const size_t rows = std::min<size_t>(kernels::kInt8RowsMax, job.rows - row);
      activate(job, panel, panels, row, rows, acts, kernels::kGroupCols, thread);
      for (size_t r = 0; r < rows; ++r) {
        acts_.quantize_groups(k, job.first + row + r, group, acts + r * kernels::kGroupCols, cols);
      }
    }
  });
  const auto chunks = [](const MlpJob& job) {
    const auto& down = job.weights->down.panels();
    const size_t step = kernels::Team::item_panels(down);
    return (down.panels() + step - 1) / step;
  };
  each_part(jobs, work, chunks, [&](const MlpJob& job, size_t chunk, unsigned) {
    const auto& down = job.weights->down.panels();
    const size_t step = kernels::Team::item_panels(down);
    const size_t begin = chunk * step;
    multiply_panels(k, acts_.rows(job.first), job.rows, down, begin,
                    std::min(begin + step, down.panels()),
                    out + job.first * hidden + down.first_row(begin), hidden);
  });
}

void FastMlp::run_few(std::span<const MlpJob> jobs, float* out) {
  const auto& k = team_.kernels();
  const size_t hidden = jobs.front().weights->down.rows();
  const size_t work = kernels::kInt8PanelRows * hidden;
  const auto panels = [](const MlpJob& job) { return job.weights->gate.panels().panels(); };
  each_part(jobs, work, panels, [&](const MlpJob& job, size_t panel, unsigned thread) {
    activate(job, panel, 1, 0, job.rows,
             few_.data() + job.first * width_ + panel * kernels::kInt8PanelRows, width_, thread);
  });
  const auto chunks = [](const MlpJob& job) {
    const auto& down = job.weights->down.panels();
    const size_t step = kernels::Team::item_panels(down);
    return (down.panels() + step - 1) / step;
  };
  each_part(jobs, work, chunks, [&](const MlpJob& job, size_t chunk, unsigned thread) {
    const auto& down = job.weights->down.panels();
    kernels::Int8Buffer& codes = threads_[thread].codes;
    codes.shape(down.contraction(), job.rows);
    for (size_t r = 0; r < job.rows; ++r) {
      codes.quantize(k, r, few_.data() + (job.first + r) * width_);
    }
    const size_t step = kernels::Team::item_panels(down);
    const size_t begin = chunk * step;
    multiply_panels(k, codes.rows(), job.rows, down, begin, std::min(begin + step, down.panels()),
                    out + job.first * hidden + down.first_row(begin), hidden);
  });
}

void FastMlp::run(std::span<const MlpJob> jobs, float* out) {
  if (jobs.empty()) return;
  for (const MlpJob& job : jobs) {
    check(job.weights->gate.rows() <= width_, "an MLP's width fits its buffers");
  }
  quantise_rows(jobs);
  if (rows_.empty()) return;
  if (rows_.size() <= kFewRows) {
    run_few(jobs, out);
  } else {
    run_many(jobs, out);
  }
}

}  // namespace baton::layers
