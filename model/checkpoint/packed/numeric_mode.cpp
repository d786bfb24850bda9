#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::checkpoint {
namespace {

constexpr NumericMode kModes[] = {
    {"exact", 1, WeightForm::stored, WeightForm::stored, EntryForm::f32},
    {"bf16", 1, WeightForm::stored, WeightForm::stored, EntryForm::bf16},
    {"fast", 1, WeightForm::int8, WeightForm::int8, EntryForm::bf16},
    {"fast-e4", 1, WeightForm::int8, WeightForm::int4, EntryForm::bf16},
    {"fast-kv8", 1, WeightForm::int8, WeightForm::int8, EntryForm::fp8},
    {"fast-e4-kv8", 1, WeightForm::int8, WeightForm::int4, EntryForm::fp8},
};

unsigned bits(WeightForm form) {
  switch (form) {
    case WeightForm::stored:
      return 0;
    case WeightForm::int8:
      return 8;
    case WeightForm::int4:
      return 4;
  }
  return 0;
}

}  // namespace

std::string NumericMode::manifest_name() const {
  return revision == 1 ? std::string(name) : fmt::format("{}-{}", name, revision);
}

std::string_view NumericMode::pack_name() const {
  for (const NumericMode& mode : kModes) {
    if (mode.weights == weights && mode.experts == experts) return mode.name;
  }
  return name;
}

size_t NumericMode::entry_bytes(const ModelConfig& config) const {
  const size_t width = config.kv_entry_width();
  switch (entries) {
    case EntryForm::f32:
      return width * 4;
    case EntryForm::bf16:
      return width * 2;
    case EntryForm::fp8: {
      const size_t codes = config.kv_lora_rank;
      return codes + (codes + 127) / 128 * 4 + (width - codes) * 2;
    }
  }
  return 0;
}

std::span<const NumericMode> numeric_modes() { return kModes; }

std::string numeric_mode_names() {
  std::string names;
  for (const NumericMode& mode : kModes) {
    names += (names.empty() ? "" : ", ") + std::string(mode.name);
  }
  return names;
}

Result<NumericMode> find_numeric_mode(std::string_view name) {
  for (const NumericMode& mode : kModes) {
    if (mode.name == name) return mode;
  }
  return fail(ErrorCode::unsupported, "There is no numeric mode \"{}\"; there are {}.", name,
              numeric_mode_names());
}

Result<NumericMode> find_numeric_mode(std::string_view name, unsigned expert_bits,
                                      std::optional<EntryForm> entries) {
  BATON_TRY(found, find_numeric_mode(name));
  const unsigned wanted_bits = expert_bits == 0 ? bits(found.experts) : expert_bits;
  const EntryForm wanted_entries = entries.value_or(found.entries);
  for (const NumericMode& mode : kModes) {
    if (mode.weights == found.weights && mode.entries == wanted_entries &&
        bits(mode.experts) == wanted_bits) {
      return mode;
    }
  }
  if (bits(found.experts) != wanted_bits) {
    return fail(ErrorCode::unsupported, "Mode {} has no routed experts of {} bits.", name,
                expert_bits);
  }
  return fail(ErrorCode::unsupported, "Mode {} has no cache of that type.", name);
}

}  // namespace baton::checkpoint
