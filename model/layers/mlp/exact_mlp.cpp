#include "model/layers/mlp/exact_mlp.h"

#include <algorithm>

#include "base/result.h"

namespace baton::layers {

ExactMlp::ExactMlp(kernels::Team& team, size_t values_max)
    : team_(team), gate_(values_max), up_(values_max) {}

// gate and up of one panel of weight rows, fused with SiLU.
void ExactMlp::run_up(const MlpJob& job, size_t stride, size_t begin, unsigned thread) {
  const auto& k = team_.kernels();
  const MlpWeights& w = *job.weights;
  const size_t end = std::min(begin + kernels::panel_rows(w.gate.cols()), w.gate.rows());
  if (begin >= end) return;  // another job's is wider
  const size_t at = job.first * stride + begin;
  const auto scratch = team_.scratch(thread);
  multiply_rows(k, job.in, job.rows, w.gate, begin, end, 1, scratch, gate_.data() + at, stride);
  multiply_rows(k, job.in, job.rows, w.up, begin, end, 1, scratch, up_.data() + at, stride);
  for (size_t r = 0; r < job.rows; ++r) {
    k.silu_mul(gate_.data() + at + r * stride, up_.data() + at + r * stride, end - begin);
  }
}

void ExactMlp::run(std::span<const MlpJob> jobs, float* out) {
  if (jobs.empty()) return;
  const size_t hidden = jobs.front().weights->down.rows();
  size_t width = 0;  // the widest
  for (const MlpJob& job : jobs) width = std::max(width, job.weights->down.cols());
  for (const MlpJob& job : jobs) {
    check((size_t{job.first} + job.rows) * width <= gate_.size(), "an MLP's rows fit its buffers");
  }
  const size_t up_step = kernels::panel_rows(hidden);
  const size_t up_panels = (width + up_step - 1) / up_step;
  const size_t rows = jobs.front().rows;
  team_.run(jobs.size() * up_panels, 2 * rows * up_step * hidden,
            [&](size_t item, unsigned thread) {
              run_up(jobs[item / up_panels], width, item % up_panels * up_step, thread);
            });
  const size_t down_step = kernels::panel_rows(width);
  const size_t down_panels = (hidden + down_step - 1) / down_step;
  team_.run(jobs.size() * down_panels, rows * down_step * width, [&](size_t item, unsigned thread) {
    const MlpJob& job = jobs[item / down_panels];
    const size_t begin = item % down_panels * down_step;
    const size_t end = std::min(begin + down_step, hidden);
    multiply_rows(team_.kernels(), {gate_.data() + job.first * width, width, nullptr}, job.rows,
                  job.weights->down, begin, end, 1, team_.scratch(thread),
                  out + job.first * hidden + begin, hidden);
  });
}

}  // namespace baton::layers
