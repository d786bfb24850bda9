#include "model/kernels/matmul.h"

#include <algorithm>

#include "base/result.h"

namespace baton::kernels {
namespace {

// A panel of 256 KiB stays in the second-level cache while rows stream past it. With few rows the
// panel is used once, so it is converted four weight rows at a time, within the first level.
constexpr size_t kPanelFloats = 65536;
constexpr size_t kFewRows = 4;
constexpr size_t kFewRowsPanel = 4;
constexpr size_t kPanelRowsMin = 8;
constexpr size_t kPanelRowsMax = 64;
constexpr size_t kItemsAThread = 4;
// Some microseconds of reading, so that threads end together and rarely ask for the next item.
constexpr size_t kItemBytes = 65536;

}  // namespace

size_t panel_rows(size_t cols) {
  const size_t fitting = kPanelFloats / std::max<size_t>(cols, 1);
  return std::clamp(fitting / kPanelRowsMin * kPanelRowsMin, kPanelRowsMin, kPanelRowsMax);
}

size_t panel_floats(size_t cols) { return std::max(kPanelFloats, kPanelRowsMin * cols); }

void multiply_rows(const Kernels& kernels, const RowsView& in, size_t rows, const Matrix& weights,
                   size_t begin, size_t end, unsigned segments, std::span<float> scratch,
                   float* out, size_t out_stride) {
  if (rows == 0) return;
  const size_t cols = weights.cols();
  check(end <= weights.rows(), "weight rows lie inside the matrix");
  check(segments >= 1 && segments <= kSegmentsMax && cols % segments == 0,
        "segments divide the contraction");
  check(scratch.size() >= panel_floats(cols), "the scratch holds a panel");
  const size_t step = rows <= kFewRows ? kFewRowsPanel : panel_rows(cols);
  for (size_t first = begin; first < end; first += step) {
    const size_t count = std::min(step, end - first);
    for (size_t w = 0; w < count; ++w) {
      kernels.unpack(weights.row(first + w), scratch.data() + w * cols);
    }
    kernels.dots(
        {in, rows, scratch.data(), cols, count, cols, segments, out + (first - begin), out_stride});
  }
}

Team::Team(const Kernels& kernels, ThreadPool& pool, size_t scratch_floats, Int8Size quantised)
    : kernels_(kernels),
      pool_(pool),
      scratch_(pool.size(), std::vector<float>(scratch_floats)),
      quantised_(quantised) {}

void Team::multiply(const RowsView& in, size_t rows, const Matrix& weights, float* out,
                    size_t out_stride, unsigned segments) {
  if (rows == 0) return;
  if (weights.packed()) {
    check(segments == weights.panels().shape().segments, "a weight is packed for its segments");
    const Product product{&weights, out, out_stride};
    return multiply_packed(in, rows, std::span(&product, 1));
  }
  // Smaller panels of a small weight (a router's), so that every thread has some.
  const size_t share = weights.rows() / (kItemsAThread * pool_.size());
  const size_t step =
      std::clamp(share / kPanelRowsMin * kPanelRowsMin, kPanelRowsMin, panel_rows(weights.cols()));
  const size_t items = (weights.rows() + step - 1) / step;
  run(items, rows * std::min(step, weights.rows()) * weights.cols(),
      [&](size_t item, unsigned thread) {
        const size_t begin = item * step;
        const size_t end = std::min(begin + step, weights.rows());
        multiply_rows(kernels_, in, rows, weights, begin, end, segments, scratch(thread),
                      out + begin, out_stride);
      });
}

size_t Team::item_panels(const Panels& weights) {
  return std::max<size_t>(1, kItemBytes / std::max<size_t>(1, weights.stride()));
}

void Team::multiply_packed(const RowsView& in, size_t rows, std::span<const Product> products) {
  if (rows == 0) return;
  const Contraction contraction = products.front().weights->panels().contraction();
  quantised_.shape(contraction, rows);
  run(rows, products.front().weights->cols(), [&](size_t row, unsigned) {
    const size_t at = in.index == nullptr ? row : in.index[row];
    quantised_.quantize(kernels_, row, in.base + at * in.stride);
  });
  size_t items = 0;
  for (const Product& product : products) {
    const Panels& panels = product.weights->panels();
    const Contraction own = panels.contraction();
    check(own.segments == contraction.segments && own.cols == contraction.cols,
          "weights of one input have one contraction");
    items += (panels.panels() + item_panels(panels) - 1) / item_panels(panels);
  }
  run(items, rows * kItemBytes, [&](size_t item, unsigned) {
    for (const Product& product : products) {
      const Panels& panels = product.weights->panels();
      const size_t step = item_panels(panels);
      const size_t own = (panels.panels() + step - 1) / step;
      if (item >= own) {
        item -= own;
        continue;
      }
      const size_t begin = item * step;
      return multiply_panels(kernels_, quantised_.rows(), rows, panels, begin,
                             std::min(begin + step, panels.panels()),
                             product.out + panels.first_row(begin), product.out_stride);
    }
  });
}

}  // namespace baton::kernels
