// FastMlp: an Mlp over packed weights: rows are quantised, gate and up fused with SiLU and the
// quantisation of what down reads, and every job's weights read once a call.
//
// Many rows: a work item is 128 columns of a job's activations, which is one group of down's
// contraction, so it is quantised where it was made. Few rows (decode): an item is one panel of
// gate and up, and down's items quantise the little that they read. The bytes are the same. Thread
// safety: see Mlp.
#pragma once

#include "model/kernels/int8/int8_rows.h"
#include "model/layers/mlp/mlp.h"

namespace baton::layers {

class FastMlp final : public Mlp {
 public:
  FastMlp(kernels::Team& team, const MlpLimits& limits);

  void run(std::span<const MlpJob> jobs, float* out) override;

 private:
  struct ThreadBuffers {
    std::vector<float> gate;    // [rows of a call, 128]
    std::vector<float> up;      // [the same]
    kernels::Int8Buffer codes;  // of few rows' activations
  };
  struct Place {
    size_t job;
    size_t part;  // of the job's work
  };

  void quantise_rows(std::span<const MlpJob> jobs);
  // Cuts `parts(job)` parts of each job into items and calls body(job, part, thread).
  template <class Parts, class Body>
  void each_part(std::span<const MlpJob> jobs, size_t work, Parts&& parts, Body&& body);
  void activate(const MlpJob& job, size_t panel, size_t panels, size_t row, size_t rows, float* out,
                size_t stride, unsigned thread);
  void run_many(std::span<const MlpJob> jobs, float* out);
  void run_few(std::span<const MlpJob> jobs, float* out);

  kernels::Team& team_;
  size_t width_;              // the widest of all calls
  kernels::Int8Buffer in_;    // [rows]
  kernels::Int8Buffer acts_;  // [rows]: what down reads
  std::vector<float> few_;    // [few rows, width]
  std::vector<Place> rows_;   // of each row: its job, and its place there
  std::vector<size_t> ends_;  // [jobs]: of each job's items
  std::vector<ThreadBuffers> threads_;
};

}  // namespace baton::layers
