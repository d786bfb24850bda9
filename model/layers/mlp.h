// Mlp: down(silu(gate(x)) * up(x)), for one MLP with all rows or for many experts with rows each.
//
// A job is one MLP and its rows; one pass reads each job's weights once, whatever its rows. Jobs of
// one call may differ in their width, not in their hidden size. Thread safety: one owner thread;
// the work is split over the team.
#pragma once

#include <span>
#include <vector>

#include "model/kernels/matmul.h"
#include "model/layers/weights.h"

namespace baton::layers {

struct MlpJob {
  const MlpWeights* weights = nullptr;
  kernels::RowsView in;  // [rows, hidden]
  uint32_t rows = 0;
  uint32_t first = 0;  // of its rows in the output
};

class Mlp {
 public:
  // `values_max`: the largest rows * width of a call, over all its jobs.
  Mlp(kernels::Team& team, size_t values_max);

  // out: row job.first + i of width `hidden` for each row i of each job.
  void run(std::span<const MlpJob> jobs, float* out);

 private:
  void run_up(const MlpJob& job, size_t stride, size_t begin, unsigned thread);

  kernels::Team& team_;
  std::vector<float> gate_;  // [rows, widest width], then the activations
  std::vector<float> up_;    // [rows, widest width]
};

}  // namespace baton::layers
