#include "model/kernels/int8/panels.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/result.h"

namespace baton::kernels {
namespace {

constexpr std::byte kZeroCode{128};

size_t quads_of(size_t cols) { return (cols + kQuadCols - 1) / kQuadCols; }

size_t segment_bytes(size_t cols) {
  const size_t groups = (cols + kGroupCols - 1) / kGroupCols;
  return groups * kBlockScaleBytes + quads_of(cols) * kQuadBytes;
}

}  // namespace

size_t code_bytes(const Contraction& c) { return c.segments * quads_of(c.cols) * kQuadCols; }

size_t group_count(const Contraction& c) {
  return c.segments * ((c.cols + kGroupCols - 1) / kGroupCols);
}

Contraction PanelShape::contraction() const {
  return {segments, static_cast<uint32_t>(cols / segments)};
}

size_t PanelShape::panel_bytes() const { return segments * segment_bytes(cols / segments); }

Panels::Panels(const PanelShape& shape, const std::byte* data)
    : shape_(shape), data_(data), stride_(shape.panel_bytes()) {
  check(shape.rows == 0 || shape.rows % shape.unit() == 0, "units divide the rows of panels");
  check(shape.segments != 0 && shape.cols % shape.segments == 0 &&
            std::has_single_bit(shape.segments) && shape.segments <= kSegmentsMax,
        "segments divide the columns of panels");
}

size_t Panels::first_row(size_t panel) const {
  const size_t in_unit = shape_.unit_panels();
  return panel / in_unit * shape_.unit() + panel % in_unit * kInt8PanelRows;
}

size_t Panels::rows_of(size_t panel) const {
  const size_t in_unit = panel % shape_.unit_panels();
  return std::min(kInt8PanelRows, shape_.unit() - in_unit * kInt8PanelRows);
}

Panels Panels::units(size_t begin, size_t end) const {
  check(begin <= end && end * shape_.unit() <= shape_.rows, "units lie inside their panels");
  Panels view = *this;
  view.shape_.unit_rows = shape_.unit();
  view.shape_.rows = (end - begin) * shape_.unit();
  view.data_ = data_ + begin * shape_.unit_panels() * stride_;
  return view;
}

Panels Panels::segments(unsigned begin, unsigned end) const {
  check(begin < end && end <= shape_.segments, "segments lie inside their panels");
  const size_t cols = shape_.cols / shape_.segments;
  Panels view = *this;
  view.shape_.segments = end - begin;
  view.shape_.cols = cols * (end - begin);
  view.data_ = data_ + begin * segment_bytes(cols);
  return view;
}

void pack_panel(const Kernels& kernels, const PanelShape& shape, std::span<const float> rows,
                std::byte* out) {
  const size_t cols = shape.cols / shape.segments;
  const size_t count = rows.size() / std::max<size_t>(shape.cols, 1);
  check(count <= kInt8PanelRows && rows.size() == count * shape.cols, "a panel has up to 32 rows");
  std::memset(out, static_cast<int>(kZeroCode), shape.panel_bytes());
  for (size_t segment = 0; segment < shape.segments; ++segment) {
    for (size_t begin = 0; begin < cols; begin += kGroupCols) {
      const size_t n = std::min(kGroupCols, cols - begin);
      std::memset(out, 0, kBlockScaleBytes);
      std::byte* quads = out + kBlockScaleBytes;
      for (size_t row = 0; row < count; ++row) {
        int8_t codes[kGroupCols] = {};
        const float* w = rows.data() + row * shape.cols + segment * cols + begin;
        const uint16_t scale = kernels.int8->quantize_weights(w, n, codes);
        std::memcpy(out + 2 * row, &scale, sizeof scale);
        for (size_t q = 0; q < quads_of(n); ++q) {
          uint32_t four = 0;
          std::memcpy(&four, codes + q * kQuadCols, sizeof four);
          four ^= 0x80808080;
          std::memcpy(quads + q * kQuadBytes + row * kQuadCols, &four, sizeof four);
        }
      }
      out = quads + quads_of(n) * kQuadBytes;
    }
  }
}

void unpack_row(const Panels& panels, size_t row, std::span<float> out) {
  check(out.size() == panels.cols(), "an unpacked row has the weight's columns");
  const PanelShape& shape = panels.shape();
  const size_t in_unit = row % shape.unit();
  const size_t lane = in_unit % kInt8PanelRows;
  const std::byte* block =
      panels.panel(row / shape.unit() * shape.unit_panels() + in_unit / kInt8PanelRows);
  const size_t cols = shape.cols / shape.segments;
  for (size_t segment = 0; segment < shape.segments; ++segment) {
    for (size_t begin = 0; begin < cols; begin += kGroupCols) {
      const size_t n = std::min(kGroupCols, cols - begin);
      uint16_t bits = 0;
      std::memcpy(&bits, block + 2 * lane, sizeof bits);
      const float scale = std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
      for (size_t c = 0; c < n; ++c) {
        const std::byte code =
            block[kBlockScaleBytes + c / kQuadCols * kQuadBytes + lane * kQuadCols + c % kQuadCols];
        out[segment * cols + begin + c] =
            static_cast<float>(std::to_integer<int>(code) - 128) * scale;
      }
      block += kBlockScaleBytes + quads_of(n) * kQuadBytes;
    }
  }
}

}  // namespace baton::kernels
