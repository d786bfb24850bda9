#include "model/checkpoint/safetensors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "model/checkpoint/strict_json.h"

namespace baton::checkpoint {
namespace {

using Json = nlohmann::json;

struct DtypeRow {
  Dtype dtype;
  std::string_view name;
  size_t bytes;
};

constexpr std::array kDtypes = {
    DtypeRow{Dtype::boolean, "BOOL", 1},    DtypeRow{Dtype::u8, "U8", 1},
    DtypeRow{Dtype::i8, "I8", 1},           DtypeRow{Dtype::f8_e4m3, "F8_E4M3", 1},
    DtypeRow{Dtype::f8_e5m2, "F8_E5M2", 1}, DtypeRow{Dtype::f8_e8m0, "F8_E8M0", 1},
    DtypeRow{Dtype::u16, "U16", 2},         DtypeRow{Dtype::i16, "I16", 2},
    DtypeRow{Dtype::f16, "F16", 2},         DtypeRow{Dtype::bf16, "BF16", 2},
    DtypeRow{Dtype::u32, "U32", 4},         DtypeRow{Dtype::i32, "I32", 4},
    DtypeRow{Dtype::f32, "F32", 4},         DtypeRow{Dtype::u64, "U64", 8},
    DtypeRow{Dtype::i64, "I64", 8},         DtypeRow{Dtype::f64, "F64", 8},
};

constexpr size_t kLengthBytes = 8;

uint64_t read_length(std::span<const std::byte> file) {
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= static_cast<uint64_t>(file[i]) << (8 * i);
  }
  return length;
}

// The header's text, or what is wrong with the frame around it.
Result<std::string_view> header_text(std::span<const std::byte> file, std::string_view file_name) {
  if (file.size() < kLengthBytes + 2) {
    return fail(ErrorCode::corrupt,
                "{}: {} bytes are too few for a safetensors file; copy the file again.", file_name,
                file.size());
  }
  const uint64_t length = read_length(file);
  if (length > kHeaderBytesMax) {
    return fail(ErrorCode::corrupt, "{}: the header's length of {} bytes is over the limit of {}.",
                file_name, length, kHeaderBytesMax);
  }
  if (length > file.size() - kLengthBytes) {
    return fail(ErrorCode::corrupt,
                "{}: the header's length of {} bytes goes past the end of the file ({} bytes); "
                "copy the file again.",
                file_name, length, file.size());
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  if (text.empty() || text.front() != '{') {
    return fail(ErrorCode::corrupt, "{}: the header does not start with '{{'.", file_name);
  }
  return text;
}

Result<void> check_metadata(const Json& metadata, std::string_view file_name) {
  bool strings = metadata.is_object();
  for (const auto& value : metadata) strings = strings && value.is_string();
  if (strings) return {};
  return fail(ErrorCode::corrupt, "{}: __metadata__ must map strings to strings.", file_name);
}

std::optional<size_t> checked_elements(const Shape& shape) {
  size_t product = 1;
  for (const size_t dim : shape) {
    if (__builtin_mul_overflow(product, dim, &product)) return {};
  }
  return product;
}

// One entry of the header. `data_bytes`: how much data the file has.
Result<TensorInfo> read_entry(const Json& entry, std::string_view name, size_t data_bytes,
                              std::string_view file_name) {
  const auto wrong = [&](std::string_view reason) {
    return fail(ErrorCode::corrupt, "{}: tensor {} {}.", file_name, name, reason);
  };
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets")) {
    return wrong("must have dtype, shape and data_offsets, and nothing else");
  }
  TensorInfo info;
  const Json& dtype = entry["dtype"];
  const auto known =
      dtype.is_string() ? dtype_from(dtype.get_ref<const std::string&>()) : std::optional<Dtype>();
  if (!known) return wrong(fmt::format("has an unknown dtype, {}", dtype.dump(-1, ' ', true)));
  info.dtype = *known;

  const Json& shape = entry["shape"];
  if (!shape.is_array() || shape.size() > kRankMax) {
    return wrong(fmt::format("must have a shape of at most {} dimensions", kRankMax));
  }
  for (const Json& dim : shape) {
    if (!dim.is_number_unsigned()) return wrong("has a dimension that is not a whole number");
    info.shape.push_back(dim.get<uint64_t>());
  }
  const auto elements = checked_elements(info.shape);
  size_t bytes = 0;
  if (!elements || __builtin_mul_overflow(*elements, dtype_bytes(info.dtype), &bytes)) {
    return wrong(fmt::format("has a shape that overflows, {}", to_string(info.shape)));
  }

  const Json& range = entry["data_offsets"];
  if (!range.is_array() || range.size() != 2 || !range[0].is_number_unsigned() ||
      !range[1].is_number_unsigned()) {
    return wrong("must have two whole numbers as data_offsets");
  }
  info.begin = range[0].get<uint64_t>();
  info.end = range[1].get<uint64_t>();
  if (info.begin > info.end || info.end > data_bytes) {
    return wrong(fmt::format("lies at bytes {} to {} of the data, but the file has {} bytes of it",
                             info.begin, info.end, data_bytes));
  }
  if (info.end - info.begin != bytes) {
    return wrong(fmt::format("has {} bytes, but shape {} of {} needs {}", info.end - info.begin,
                             to_string(info.shape), to_string(info.dtype), bytes));
  }
  return info;
}

// The ranges, sorted, must meet end to start from the first byte of the data to the last.
Result<void> check_tiling(const TensorTable& tensors, size_t data_bytes,
                          std::string_view file_name) {
  std::vector<const TensorTable::value_type*> order;
  for (const auto& entry : tensors) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  size_t covered = 0;
  for (const auto* entry : order) {
    const auto& [name, info] = *entry;
    if (info.begin != covered) {
      return fail(ErrorCode::corrupt,
                  "{}: tensor {} starts at byte {} of the data, but the one before it ends at {} "
                  "(tensors may neither overlap nor leave a gap).",
                  file_name, name, info.begin, covered);
    }
    covered = info.end;
  }
  if (covered != data_bytes) {
    return fail(ErrorCode::corrupt, "{}: {} bytes after the last tensor belong to none.", file_name,
                data_bytes - covered);
  }
  return {};
}

}  // namespace

std::string_view to_string(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)].name; }
size_t dtype_bytes(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)].bytes; }

std::optional<Dtype> dtype_from(std::string_view name) {
  for (const auto& row : kDtypes) {
    if (row.name == name) return row.dtype;
  }
  return {};
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

Result<SafetensorsHeader> parse_safetensors(std::span<const std::byte> file,
                                            std::string_view file_name) {
  BATON_TRY(text, header_text(file, file_name));
  BATON_TRY(json, parse_strict_json(text, fmt::format("{}: the header", file_name),
                                    {.depth_max = 3, .values_max = 8'000'000}));
  SafetensorsHeader header;
  header.data_begin = kLengthBytes + text.size();
  const size_t data_bytes = file.size() - header.data_begin;
  for (const auto& [name, entry] : json.get_ref<const Json::object_t&>()) {
    if (name == "__metadata__") {
      BATON_CHECKED(check_metadata(entry, file_name));
      continue;
    }
    BATON_TRY(info, read_entry(entry, name, data_bytes, file_name));
    header.tensors.emplace(name, std::move(info));
  }
  BATON_CHECKED(check_tiling(header.tensors, data_bytes, file_name));
  return header;
}

Result<Safetensors> Safetensors::open(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return fail(ErrorCode::not_found, "{} does not exist; the checkpoint is incomplete.",
                path.string());
  }
  if (!std::filesystem::is_regular_file(path, error)) {
    return fail(ErrorCode::invalid_argument, "{} is not a regular file.", path.string());
  }
  if (std::filesystem::file_size(path, error) < kLengthBytes || error) {
    return fail(ErrorCode::corrupt, "{}: the file is too short for safetensors; copy it again.",
                path.string());
  }
  BATON_TRY(mapping, Mapping::open_read(path));
  BATON_TRY(header, parse_safetensors(mapping.bytes(), path.string()));
  return Safetensors(path, std::move(mapping), std::move(header));
}

TensorView Safetensors::view(const TensorInfo& info) const {
  return {info.dtype, info.shape,
          mapping_.bytes().subspan(header_.data_begin + info.begin, info.end - info.begin)};
}

std::optional<TensorView> Safetensors::find(std::string_view name) const {
  const auto entry = header_.tensors.find(name);
  if (entry == header_.tensors.end()) return {};
  return view(entry->second);
}

}  // namespace baton::checkpoint
