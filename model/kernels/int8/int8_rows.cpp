#include "model/kernels/int8/int8_rows.h"

#include <algorithm>
#include <cstring>

#include "base/result.h"

namespace baton::kernels {

namespace {

// An odd number of cache lines: the same columns of many rows, which are multiplied together, don't
// meet in few sets of the first-level cache.
size_t stride_of(size_t code_bytes) { return ((code_bytes + 63) / 64 | 1) * 64; }

}  // namespace

Int8Size int8_size(size_t rows, const Contraction& contraction) {
  return {rows * stride_of(code_bytes(contraction)), rows * group_count(contraction)};
}

Int8Size larger(const Int8Size& a, const Int8Size& b) {
  return {std::max(a.code_bytes, b.code_bytes), std::max(a.groups, b.groups)};
}

Int8Buffer::Int8Buffer(const Int8Size& size)
    : codes_(size.code_bytes), scales_(size.groups), shifts_(size.groups) {}

void Int8Buffer::shape(const Contraction& contraction, size_t rows) {
  contraction_ = contraction;
  code_stride_ = stride_of(code_bytes(contraction));
  groups_ = group_count(contraction);
  check(rows * code_stride_ <= codes_.size() && rows * groups_ <= scales_.size(),
        "quantised rows fit their buffer");
}

void Int8Buffer::quantize(const Kernels& kernels, size_t row, const float* x) {
  kernels.int8->quantize({x, contraction_, codes_.data() + row * code_stride_,
                          scales_.data() + row * groups_, shifts_.data() + row * groups_});
}

void Int8Buffer::quantize_groups(const Kernels& kernels, size_t row, size_t first, const float* x,
                                 size_t cols) {
  check(contraction_.segments == 1 && first * kGroupCols + cols <= contraction_.cols,
        "groups lie inside their row");
  const size_t group = row * groups_ + first;
  kernels.int8->quantize({x,
                          {1, static_cast<uint32_t>(cols)},
                          codes_.data() + row * code_stride_ + first * kGroupCols,
                          scales_.data() + group,
                          shifts_.data() + group});
}

void Int8Buffer::gather(const Int8Rows& from, std::span<const uint32_t> index) {
  check(from.code_stride == code_stride_ && from.groups == groups_,
        "rows are gathered from rows of the same contraction");
  for (size_t r = 0; r < index.size(); ++r) {
    const size_t at = index[r];
    std::memcpy(codes_.data() + r * code_stride_, from.codes + at * code_stride_, code_stride_);
    std::copy_n(from.scales + at * groups_, groups_, scales_.data() + r * groups_);
    std::copy_n(from.shifts + at * groups_, groups_, shifts_.data() + r * groups_);
  }
}

Int8Rows Int8Buffer::rows(size_t first) const {
  return {codes_.data() + first * code_stride_, scales_.data() + first * groups_,
          shifts_.data() + first * groups_, code_stride_, groups_};
}

void multiply_panels(const Kernels& kernels, const Int8Rows& in, size_t rows, const Panels& weights,
                     size_t begin, size_t end, float* out, size_t out_stride) {
  check(end <= weights.panels(), "panels lie inside their weight");
  if (begin == end) return;
  const Contraction contraction = weights.contraction();
  check(contraction.cols > 0, "a product has columns");
  const size_t first = weights.first_row(begin);
  size_t calls = (rows + kInt8RowsMax - 1) / kInt8RowsMax;
  for (size_t r = 0, count = 0; r < rows; r += count, --calls) {
    count = (rows - r + calls - 1) / calls;
    const Int8Rows some{in.codes + r * in.code_stride, in.scales + r * in.groups,
                        in.shifts + r * in.groups, in.code_stride, in.groups};
    for (size_t p = begin; p < end; ++p) {
      kernels.int8->products({some, count, weights.panel(p), weights.shape().form, contraction,
                              out + r * out_stride + weights.first_row(p) - first, out_stride,
                              weights.rows_of(p)});
    }
  }
}

}  // namespace baton::kernels
