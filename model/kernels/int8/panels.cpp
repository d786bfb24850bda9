#include "model/kernels/int8/panels.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/result.h"

namespace baton::kernels {
namespace {

constexpr std::byte kZeroCode{128};
constexpr std::byte kZeroValues{0x88};

size_t quads_of(size_t cols) { return (cols + kQuadCols - 1) / kQuadCols; }

// Of a group of n columns.
size_t block_bytes(PanelForm form, size_t n) {
  if (form == PanelForm::int8) return kBlockScaleBytes + quads_of(n) * kQuadBytes;
  return kBlockScaleBytes + kBlockStepBytes + (quads_of(n) + 1) / 2 * kQuadBytes;
}

size_t segment_bytes(PanelForm form, size_t cols) {
  const size_t rest = cols % kGroupCols;
  return cols / kGroupCols * block_bytes(form, kGroupCols) +
         (rest == 0 ? 0 : block_bytes(form, rest));
}

// Writes one row of a group into a block that holds zeros.
void pack_int8(const Kernels& kernels, const float* w, size_t n, size_t row, std::byte* block) {
  int8_t codes[kGroupCols] = {};
  const uint16_t scale = kernels.int8->quantize_weights(w, n, codes);
  std::memcpy(block + 2 * row, &scale, sizeof scale);
  std::byte* quads = block + kBlockScaleBytes + row * kQuadCols;
  for (size_t q = 0; q < quads_of(n); ++q) {
    uint32_t four = 0;
    std::memcpy(&four, codes + q * kQuadCols, sizeof four);
    four ^= 0x80808080;
    std::memcpy(quads + q * kQuadBytes, &four, sizeof four);
  }
}

void pack_int4(const Kernels& kernels, const float* w, size_t n, size_t row, std::byte* block) {
  int8_t values[kGroupCols] = {};
  uint8_t steps[kGroupCols / kSubgroupCols] = {};
  const uint16_t scale = kernels.int8->quantize_int4(w, n, values, steps);
  std::memcpy(block + 2 * row, &scale, sizeof scale);
  uint32_t all = 0;
  for (size_t s = 0; s < std::size(steps); ++s) all |= uint32_t{steps[s]} << 4 * s;
  std::memcpy(block + kBlockScaleBytes + 4 * row, &all, sizeof all);
  std::byte* pairs = block + kBlockScaleBytes + kBlockStepBytes + row * kQuadCols;
  for (size_t q = 0; q < quads_of(n); q += 2) {
    for (size_t i = 0; i < kQuadCols; ++i) {
      const int low = values[q * kQuadCols + i] + 8;
      const int high = values[(q + 1) * kQuadCols + i] + 8;
      pairs[q / 2 * kQuadBytes + i] = static_cast<std::byte>(low | high << 4);
    }
  }
}

// The code of a column of a row in a block.
int code_at(PanelForm form, const std::byte* block, size_t row, size_t col) {
  const size_t quad = col / kQuadCols;
  const size_t lane = row * kQuadCols + col % kQuadCols;
  const std::byte* codes = block + kBlockScaleBytes;
  if (form == PanelForm::int8) {
    return std::to_integer<int>(codes[quad * kQuadBytes + lane]) - 128;
  }
  uint32_t steps = 0;
  std::memcpy(&steps, codes + 4 * row, sizeof steps);
  const int both = std::to_integer<int>(codes[kBlockStepBytes + quad / 2 * kQuadBytes + lane]);
  const int value = (quad % 2 == 0 ? both & 15 : both >> 4) - 8;
  return static_cast<int>(steps >> 4 * (col / kSubgroupCols) & 15) * value;
}

}  // namespace

size_t code_bytes(const Contraction& c) { return c.segments * quads_of(c.cols) * kQuadCols; }

size_t group_count(const Contraction& c) {
  return c.segments * ((c.cols + kGroupCols - 1) / kGroupCols);
}

Contraction PanelShape::contraction() const {
  return {segments, static_cast<uint32_t>(cols / segments)};
}

size_t PanelShape::panel_bytes() const { return segments * segment_bytes(form, cols / segments); }

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
  view.data_ = data_ + begin * segment_bytes(shape_.form, cols);
  return view;
}

void pack_panel(const Kernels& kernels, const PanelShape& shape, std::span<const float> rows,
                std::byte* out) {
  const size_t cols = shape.cols / shape.segments;
  const size_t count = rows.size() / std::max<size_t>(shape.cols, 1);
  check(count <= kInt8PanelRows && rows.size() == count * shape.cols, "a panel has up to 32 rows");
  const bool int8 = shape.form == PanelForm::int8;
  for (size_t segment = 0; segment < shape.segments; ++segment) {
    for (size_t begin = 0; begin < cols; begin += kGroupCols) {
      const size_t n = std::min(kGroupCols, cols - begin);
      const size_t bytes = block_bytes(shape.form, n);
      std::memset(out, static_cast<int>(int8 ? kZeroCode : kZeroValues), bytes);
      std::memset(out, 0, kBlockScaleBytes + (int8 ? 0 : kBlockStepBytes));
      for (size_t row = 0; row < count; ++row) {
        const float* w = rows.data() + row * shape.cols + segment * cols + begin;
        (int8 ? pack_int8 : pack_int4)(kernels, w, n, row, out);
      }
      out += bytes;
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
        const int code = code_at(shape.form, block, lane, c);
        out[segment * cols + begin + c] = static_cast<float>(code) * scale;
      }
      block += block_bytes(shape.form, n);
    }
  }
}

}  // namespace baton::kernels
