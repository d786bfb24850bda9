// Mlp: down(silu(gate(x)) * up(x)), for one MLP with all rows or for many experts with rows each.
//
// A job is one MLP and its rows; one pass reads each job's weights once, whatever its rows. Jobs of
// one call may differ in their width, not in their hidden size. Stored weights go through the
// canonical kernels; packed ones (PackedMlp) through INT8 products. Thread safety: one owner
// thread; the work is split over the team.
#pragma once

#include <memory>
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
  virtual ~Mlp() = default;

  // out: row job.first + i of width `hidden` for each row i of each job. All jobs' rows follow one
  // another from 0 on.
  virtual void run(std::span<const MlpJob> jobs, float* out) = 0;
};

// Of one call at most, over all its jobs.
struct MlpLimits {
  size_t rows = 0;    // in all
  size_t values = 0;  // rows * the widest width
  size_t width = 0;
  size_t hidden = 0;
};

std::unique_ptr<Mlp> make_mlp(const checkpoint::NumericMode& mode, kernels::Team& team,
                              const MlpLimits& limits);

}  // namespace baton::layers
