// Safetensors: one file of tensors, mapped read-only; every rule of the format is checked at open.
//
// The file is a little-endian u64 header length, a JSON header, then raw data. Invariants of an
// opened file: the header is within its limit and holds only tensors and `__metadata__` (strings);
// dtypes are known; no shape's product overflows; each range is as long as its shape and dtype
// say; the ranges tile the data exactly, without gap, overlap or tail. Nothing is assumed about
// alignment: read numbers through memcpy. Views live as long as the file object.
// Thread safety: immutable after open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/system/mapping.h"

namespace baton::checkpoint {

enum class Dtype : uint8_t {
  boolean,
  u8,
  i8,
  f8_e4m3,
  f8_e5m2,
  f8_e8m0,
  u16,
  i16,
  f16,
  bf16,
  u32,
  i32,
  f32,
  u64,
  i64,
  f64,
};

std::string_view to_string(Dtype dtype);  // as the format spells it, such as "BF16"
std::optional<Dtype> dtype_from(std::string_view name);
size_t dtype_bytes(Dtype dtype);

using Shape = std::vector<size_t>;
std::string to_string(const Shape& shape);  // "[2, 3]"

struct TensorInfo {
  Dtype dtype = Dtype::f32;
  Shape shape;
  size_t begin = 0;  // bytes from the end of the header
  size_t end = 0;

  size_t elements() const { return (end - begin) / dtype_bytes(dtype); }
};

struct TensorView {
  Dtype dtype = Dtype::f32;
  Shape shape;
  std::span<const std::byte> data;  // row-major, little-endian, of any alignment
};

using TensorTable = std::map<std::string, TensorInfo, std::less<>>;

struct SafetensorsHeader {
  TensorTable tensors;
  size_t data_begin = 0;  // of the data, from the start of the file
};

inline constexpr size_t kHeaderBytesMax = 100'000'000;
inline constexpr size_t kRankMax = 8;

// Checks a whole file's bytes; the data themselves are not read. `file_name` is for sentences.
Result<SafetensorsHeader> parse_safetensors(std::span<const std::byte> file,
                                            std::string_view file_name);

class Safetensors {
 public:
  static Result<Safetensors> open(const std::filesystem::path& path);

  const TensorTable& tensors() const { return header_.tensors; }
  const std::filesystem::path& path() const { return path_; }
  std::optional<TensorView> find(std::string_view name) const;
  TensorView view(const TensorInfo& info) const;
  std::span<const std::byte> bytes() const { return mapping_.bytes(); }  // header and data
  size_t data_bytes() const { return mapping_.bytes().size() - header_.data_begin; }

 private:
  Safetensors(std::filesystem::path path, Mapping mapping, SafetensorsHeader header)
      : path_(std::move(path)), mapping_(std::move(mapping)), header_(std::move(header)) {}

  std::filesystem::path path_;
  Mapping mapping_;
  SafetensorsHeader header_;
};

}  // namespace baton::checkpoint
