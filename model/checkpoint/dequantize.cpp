#include "model/checkpoint/dequantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace baton::checkpoint {
namespace {

constexpr float e4m3_value(uint32_t code) {
  const uint32_t exponent = (code >> 3) & 15;
  const uint32_t mantissa = code & 7;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  float value = static_cast<float>(exponent == 0 ? mantissa : mantissa + 8) / 512.0f;
  for (uint32_t e = 1; e < exponent; ++e) value *= 2;
  return (code & 128) != 0 ? -value : value;
}

constexpr std::array<float, 256> kE4m3 = [] {
  std::array<float, 256> values{};
  for (uint32_t code = 0; code < values.size(); ++code) values[code] = e4m3_value(code);
  return values;
}();

float f16_value(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 31;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0) {  // subnormal: mantissa * 2^-24, a normal float
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const uint32_t biased = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | biased << 23 | mantissa << 13);
}

// Elements [begin, begin + out.size()) of one row that starts at `row`.
void convert_bf16(const std::byte* row, size_t begin, std::span<float> out) {
  const std::byte* source = row + 2 * begin;
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, source + 2 * i, 2);
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
}

void convert_f16(const std::byte* row, size_t begin, std::span<float> out) {
  const std::byte* source = row + 2 * begin;
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, source + 2 * i, 2);
    out[i] = f16_value(bits);
  }
}

// `scales`: those of the row's blocks, one a 128 columns.
void convert_e4m3(const std::byte* row, const std::byte* scales, size_t begin,
                  std::span<float> out) {
  const size_t end = begin + out.size();
  for (size_t col = begin; col < end;) {
    const size_t block = col / kFp8Block;
    const size_t stop = std::min(end, (block + 1) * kFp8Block);
    float scale = 0;
    std::memcpy(&scale, scales + sizeof(float) * block, sizeof(float));
    for (; col < stop; ++col) out[col - begin] = kE4m3[static_cast<uint8_t>(row[col])] * scale;
  }
}

// The first element that is not finite, or out.size().
size_t first_not_finite(std::span<const float> out) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t bad = 0;
  for (const float value : out) {
    bad |= static_cast<uint32_t>((std::bit_cast<uint32_t>(value) & kExponent) == kExponent);
  }
  if (bad == 0) return out.size();
  const auto at = std::find_if(out.begin(), out.end(), [](float v) { return !std::isfinite(v); });
  return static_cast<size_t>(at - out.begin());
}

}  // namespace

const std::array<float, 256>& e4m3_values() { return kE4m3; }

Result<void> read_block(const Weight& weight, size_t row_begin, size_t row_end, size_t col_begin,
                        size_t col_end, std::span<float> out) {
  check(row_begin <= row_end && row_end <= weight.rows, "rows must lie inside the weight");
  check(col_begin <= col_end && col_end <= weight.cols, "columns must lie inside the weight");
  const size_t width = col_end - col_begin;
  check(out.size() == (row_end - row_begin) * width, "the output must have the block's size");
  const size_t row_bytes = weight.cols * dtype_bytes(weight.data.dtype);
  const size_t scale_row_bytes = (weight.cols + kFp8Block - 1) / kFp8Block * sizeof(float);
  for (size_t row = row_begin; row < row_end; ++row) {
    const std::byte* source = weight.data.data.data() + row * row_bytes;
    const std::span<float> to = out.subspan((row - row_begin) * width, width);
    switch (weight.data.dtype) {
      case Dtype::bf16:
        convert_bf16(source, col_begin, to);
        break;
      case Dtype::f16:
        convert_f16(source, col_begin, to);
        break;
      case Dtype::f32:
        if (to.empty()) break;
        std::memcpy(to.data(), source + sizeof(float) * col_begin, to.size_bytes());
        break;
      case Dtype::f8_e4m3:
        check(weight.scale_inv.has_value(), "an FP8 weight comes with its scales");
        convert_e4m3(source, weight.scale_inv->data.data() + row / kFp8Block * scale_row_bytes,
                     col_begin, to);
        break;
      default:
        return fail(ErrorCode::unsupported, "{}: tensor {} has dtype {}, which holds no weights.",
                    weight.file, weight.name, to_string(weight.data.dtype));
    }
    if (const size_t at = first_not_finite(to); at != width) {
      return fail(ErrorCode::corrupt,
                  "{}: tensor {} is not a finite number at row {}, column {}; copy the file again.",
                  weight.file, weight.name, row, col_begin + at);
    }
  }
  return {};
}

Result<void> read_rows(const Weight& weight, size_t row_begin, size_t row_end,
                       std::span<float> out) {
  return read_block(weight, row_begin, row_end, 0, weight.cols, out);
}

Result<std::vector<float>> read_all(const Weight& weight) {
  std::vector<float> values(weight.rows * weight.cols);
  BATON_CHECKED(read_rows(weight, 0, weight.rows, values));
  return values;
}

}  // namespace baton::checkpoint
