#include "model/checkpoint/dequantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/checkpoint_writer.h"

namespace baton::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::RawTensor;

// A weight over bytes that start at an odd address, so that alignment can't be relied on.
class OddWeight {
 public:
  OddWeight(Dtype dtype, size_t rows, size_t cols, const std::string& bytes,
            const std::string& scales = "")
      : bytes_("x" + bytes), scales_("x" + scales) {
    weight.name = "t.weight";
    weight.file = "w.safetensors";
    weight.rows = rows;
    weight.cols = cols;
    weight.data = {dtype, {rows, cols}, view(bytes_)};
    if (!scales.empty()) {
      weight.scale_inv = TensorView{Dtype::f32, scale_shape({rows, cols}), view(scales_)};
    }
  }
  Weight weight;

 private:
  static std::span<const std::byte> view(const std::string& bytes) {
    return std::as_bytes(std::span(bytes)).subspan(1);
  }
  std::string bytes_;
  std::string scales_;
};

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

TEST(Dequantize, E4m3IsItsDefinition) {
  for (int code = 0; code < 256; ++code) {
    const int exponent = (code >> 3) & 15;
    const int mantissa = code & 7;
    const double sign = code & 128 ? -1 : 1;
    const float value = e4m3_values()[static_cast<size_t>(code)];
    if ((code & 127) == 127) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      const double expected =
          exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 7 - 3);
      EXPECT_EQ(value, sign * expected) << code;
      EXPECT_EQ(std::signbit(value), sign < 0);
    }
  }
  EXPECT_EQ(e4m3_values()[0x7e], 448);
  EXPECT_EQ(e4m3_values()[0x01], 0x1p-9f);
}

TEST(Dequantize, EveryFiniteBf16IsExact) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    if ((code & 0x7f80) == 0x7f80) continue;
    const OddWeight odd(Dtype::bf16, 1, 1, bytes_of<uint16_t>({static_cast<uint16_t>(code)}));
    EXPECT_EQ(std::bit_cast<uint32_t>(read_all(odd.weight)->at(0)), code << 16);
  }
}

TEST(Dequantize, EveryFiniteF16IsExact) {
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const int exponent = (code >> 10) & 31;
    if (exponent == 31) continue;
    const int mantissa = code & 1023;
    const double magnitude =
        exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    const OddWeight odd(Dtype::f16, 1, 1, bytes_of<uint16_t>({static_cast<uint16_t>(code)}));
    const float value = read_all(odd.weight)->at(0);
    EXPECT_EQ(value, code & 0x8000 ? -magnitude : magnitude) << code;
    EXPECT_EQ(std::signbit(value), (code & 0x8000) != 0);
  }
}

TEST(Dequantize, F32IsCopied) {
  const std::vector<float> values = {1.5f, -0.0f, 1e-45f, 3e38f};
  const OddWeight odd(Dtype::f32, 2, 2, bytes_of(values));
  const auto read = read_all(odd.weight);
  EXPECT_EQ(bytes_of(*read), bytes_of(values));
}

// Slow twin: one element at a time, straight from the definition.
TEST(Dequantize, Fp8MultipliesByTheScaleOfItsBlock) {
  for (const auto& [rows, cols] : std::vector<std::pair<size_t, size_t>>{
           {1, 1}, {128, 128}, {129, 127}, {130, 300}, {256, 384}, {3, 257}}) {
    testing::NamedRandom random(7, "fp8");
    const Shape blocks = scale_shape({rows, cols});
    std::string codes;
    for (size_t i = 0; i < rows * cols; ++i) {
      const auto code = static_cast<uint8_t>(random.next());
      codes.push_back(static_cast<char>((code & 127) == 127 ? 0x38 : code));
    }
    std::vector<float> scales;
    for (size_t i = 0; i < blocks[0] * blocks[1]; ++i) {
      scales.push_back(static_cast<float>(random.value()));
    }
    const OddWeight odd(Dtype::f8_e4m3, rows, cols, codes, bytes_of(scales));
    const auto read = read_all(odd.weight);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) {
        const float value = e4m3_values()[static_cast<uint8_t>(codes[r * cols + c])];
        EXPECT_EQ((*read)[r * cols + c], value * scales[r / 128 * blocks[1] + c / 128]);
      }
    }
  }
}

TEST(Dequantize, RowsAndColumnsAreCutFromTheWhole) {
  const size_t rows = 140, cols = 270;
  testing::NamedRandom random(3, "cut");
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16, Dtype::f32, Dtype::f8_e4m3}) {
    std::string bytes;
    for (size_t i = 0; i < rows * cols; ++i) {
      if (dtype == Dtype::f8_e4m3) {
        bytes.push_back(static_cast<char>(random.next() & 0xbf));
      } else {
        testing::append_float(bytes, dtype, static_cast<float>(random.value()));
      }
    }
    const std::string scales =
        dtype == Dtype::f8_e4m3 ? bytes_of(std::vector<float>{1, 2, 3, 4, 5, 6}) : "";
    const OddWeight odd(dtype, rows, cols, bytes, scales);
    const auto whole = read_all(odd.weight);
    for (const auto& [r0, r1, c0, c1] : std::vector<std::array<size_t, 4>>{{0, 140, 0, 270},
                                                                           {127, 129, 127, 129},
                                                                           {5, 5, 0, 270},
                                                                           {3, 9, 256, 270},
                                                                           {139, 140, 1, 2},
                                                                           {0, 2, 100, 100}}) {
      std::vector<float> cut((r1 - r0) * (c1 - c0));
      ASSERT_TRUE(read_block(odd.weight, r0, r1, c0, c1, cut).has_value());
      for (size_t r = r0; r < r1; ++r) {
        for (size_t c = c0; c < c1; ++c) {
          EXPECT_EQ(cut[(r - r0) * (c1 - c0) + c - c0], (*whole)[r * cols + c]);
        }
      }
    }
  }
}

TEST(Dequantize, WhatIsNotFiniteIsRefusedByPlace) {
  std::vector<uint16_t> bf16(12, 0x3f80);
  bf16[7] = 0x7fc0;
  const OddWeight nan(Dtype::bf16, 3, 4, bytes_of(bf16));
  EXPECT_THAT(read_all(nan.weight).error().message,
              AllOf(HasSubstr("w.safetensors: tensor t.weight"), HasSubstr("row 1, column 3")));
  std::vector<float> out(4);
  EXPECT_TRUE(read_rows(nan.weight, 2, 3, out).has_value()) << "other rows are untouched";
  const OddWeight infinite(Dtype::f16, 1, 1, bytes_of<uint16_t>({0xfc00}));
  EXPECT_FALSE(read_all(infinite.weight).has_value());
  const OddWeight f32(Dtype::f32, 1, 1, bytes_of<uint32_t>({0x7f800000}));
  EXPECT_FALSE(read_all(f32.weight).has_value());
  for (const char code : {'\x7f', '\xff'}) {
    const OddWeight fp8(Dtype::f8_e4m3, 1, 2, {'\0', code}, bytes_of<float>({1}));
    EXPECT_THAT(read_all(fp8.weight).error().message, HasSubstr("row 0, column 1"));
  }
  const OddWeight overflow(Dtype::f8_e4m3, 1, 1, "\x7e", bytes_of<float>({3e38f}));
  EXPECT_FALSE(read_all(overflow.weight).has_value());
}

TEST(Dequantize, OtherDtypesHoldNoWeights) {
  const OddWeight odd(Dtype::i32, 1, 1, "0000");
  EXPECT_THAT(read_all(odd.weight).error().message,
              AllOf(HasSubstr("tensor t.weight"), HasSubstr("I32")));
}

}  // namespace
}  // namespace baton::checkpoint
