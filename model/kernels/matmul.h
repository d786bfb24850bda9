// Rows times weights: out[r][w] = dot(in.row(r), weights.row(w)), each output one canonical dot, so
// that neither the number of rows nor of threads shows in it.
//
// Of a stored weight a panel of rows is converted once into a thread's scratch, then multiplied
// with all rows; the rows of a packed one are quantised, then multiplied with its INT8 or 4-bit
// panels. Work is cut into panels of weight rows, never along the contraction. Thread safety: one
// owner thread calls a Team; inside, each thread uses its own scratch.
#pragma once

#include <span>
#include <vector>

#include "base/system/thread_pool.h"
#include "model/kernels/int8/int8_rows.h"
#include "model/kernels/kernels.h"
#include "model/kernels/matrix.h"

namespace baton::kernels {

// Weight rows of one work item, and the scratch that it needs: enough for fewer columns too.
size_t panel_rows(size_t cols);
size_t panel_floats(size_t cols);

// One thread's share: weight rows [begin, end). out[r * out_stride + (w - begin)].
// `segments` (1, 2, 4 or 8, a divisor of the columns) is the split of the dot; see order.h.
void multiply_rows(const Kernels& kernels, const RowsView& in, size_t rows, const Matrix& weights,
                   size_t begin, size_t end, unsigned segments, std::span<float> scratch,
                   float* out, size_t out_stride);

// Kernels, threads, and a scratch for each thread.
class Team {
 public:
  // `quantised`: of the rows that are multiplied with packed weights.
  Team(const Kernels& kernels, ThreadPool& pool, size_t scratch_floats, Int8Size quantised = {});

  const Kernels& kernels() const { return kernels_; }
  ThreadPool& pool() { return pool_; }
  std::span<float> scratch(unsigned thread) { return scratch_[thread]; }

  // body(item, thread) for each item, by all threads, or by the caller alone where waking them
  // costs more: `work` is about how many multiply-adds an item is.
  template <class Body>
  void run(size_t items, size_t work, Body&& body) {
    if (items * work >= kParallelWork) {
      pool_.run(items, body);
    } else {
      for (size_t item = 0; item < items; ++item) body(item, 0u);
    }
  }

  // All weight rows, split over the threads. out: [rows, weights.rows()].
  void multiply(const RowsView& in, size_t rows, const Matrix& weights, float* out,
                size_t out_stride, unsigned segments = 1);

  struct Product {
    const Matrix* weights;
    float* out;
    size_t out_stride;
  };
  // The same rows by several packed weights of one contraction.
  void multiply_packed(const RowsView& in, size_t rows, std::span<const Product> products);

  // Panels of a packed weight that make a work item.
  static size_t item_panels(const Panels& weights);

 private:
  static constexpr size_t kParallelWork = 1 << 16;  // some ten microseconds of one thread

  const Kernels& kernels_;
  ThreadPool& pool_;
  std::vector<std::vector<float>> scratch_;
  Int8Buffer quantised_;
};

}  // namespace baton::kernels
