#include "bench/make_checkpoint/weights.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "model/checkpoint/dequantize.h"

namespace baton::bench {
namespace {

using checkpoint::Dtype;
using checkpoint::ExpectedTensor;
using checkpoint::TensorKind;

constexpr size_t kCodes = 65536;

class Random {  // splitmix64
 public:
  Random(uint64_t seed, std::string_view name) : state_(seed * 0x9e3779b97f4a7c15) {
    for (const char c : name) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// The quantiles of a normal distribution at the middles of 65,536 equal parts: 16 random bits make
// a value. By bisection of erfc, once.
const std::vector<float>& normal_values() {
  static const std::vector<float> values = [] {
    std::vector<float> all(kCodes);
    for (size_t i = 0; i < kCodes; ++i) {
      const double p = (static_cast<double>(i) + 0.5) / kCodes;
      double low = -6;
      double high = 6;
      for (int step = 0; step < 40; ++step) {
        const double middle = (low + high) / 2;
        (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
      }
      all[i] = static_cast<float>(low);
    }
    return all;
  }();
  return values;
}

uint16_t to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// The nearest e4m3 code.
uint8_t to_e4m3(float value) {
  const auto& values = checkpoint::e4m3_values();  // codes 0..126 ascend
  const float magnitude = std::fabs(value);
  const auto above = std::lower_bound(values.begin(), values.begin() + 127, magnitude);
  auto code = static_cast<size_t>(above - values.begin());
  if (code == 127 || (code > 0 && magnitude - values[code - 1] < values[code] - magnitude)) --code;
  return static_cast<uint8_t>(code | (value < 0 ? 0x80 : 0));
}

template <class T, class Convert>
std::vector<std::byte> from_table(Random random, size_t elements, Convert&& convert) {
  std::vector<T> table(kCodes);
  for (size_t i = 0; i < kCodes; ++i) table[i] = convert(normal_values()[i]);
  std::vector<std::byte> bytes(elements * sizeof(T));
  for (size_t i = 0; i < elements; i += 4) {
    const uint64_t bits = random.next();
    for (size_t k = 0; k < std::min<size_t>(4, elements - i); ++k) {
      std::memcpy(bytes.data() + (i + k) * sizeof(T), &table[bits >> (16 * k) & 0xffff], sizeof(T));
    }
  }
  return bytes;
}

bool is_scale(const StoredTensor& tensor) { return tensor.name.ends_with("_scale_inv"); }

// An e4m3 weight of standard deviation 32 uses the format's range; its scale makes it 1 / columns.
constexpr float kFp8Spread = 32;

}  // namespace

size_t StoredTensor::bytes() const {
  size_t elements = 1;
  for (const size_t dim : shape) elements *= dim;
  return elements * checkpoint::dtype_bytes(dtype);
}

std::vector<StoredTensor> stored_tensors(const ExpectedTensor& tensor, bool fp8) {
  const bool bias = tensor.name.ends_with("e_score_correction_bias");
  if (!fp8 || !tensor.fp8 || tensor.kind == TensorKind::mtp_projection) {
    return {{tensor.name, bias ? Dtype::f32 : Dtype::bf16, tensor.shape}};
  }
  return {{tensor.name, Dtype::f8_e4m3, tensor.shape},
          {checkpoint::scale_name(tensor.name), Dtype::f32, checkpoint::scale_shape(tensor.shape)}};
}

std::vector<std::byte> random_bytes(uint64_t seed, const StoredTensor& tensor, TensorKind kind,
                                    size_t layers) {
  const Random random(seed, tensor.name);
  const size_t elements = tensor.bytes() / checkpoint::dtype_bytes(tensor.dtype);
  const auto adds = [&](const char* name) { return tensor.name.find(name) != std::string::npos; };
  const bool to_stream = adds("o_proj.weight") || adds("down_proj.weight");
  const float share = to_stream ? 1 / std::sqrt(2 * static_cast<float>(layers)) : 1;
  const float spread = kind == TensorKind::embedding
                           ? 1
                           : share / std::sqrt(static_cast<float>(tensor.shape.back()));
  if (is_scale(tensor)) {
    // Columns of the weight, not of its blocks: whole blocks but for the last one's rest.
    const float scale = share / (kFp8Spread * std::sqrt(128.0f * tensor.shape.back()));
    return from_table<float>(random, elements, [&](float x) { return scale * (1 + 0.05f * x); });
  }
  switch (tensor.dtype) {
    case Dtype::f8_e4m3:
      return from_table<uint8_t>(random, elements, [](float x) { return to_e4m3(kFp8Spread * x); });
    case Dtype::f32:
      return from_table<float>(random, elements, [](float x) { return 0.02f * x; });
    default:
      return from_table<uint16_t>(random, elements, [&](float x) {
        return to_bf16(kind == TensorKind::norm ? 1 + 0.1f * x : spread * x);
      });
  }
}

}  // namespace baton::bench
