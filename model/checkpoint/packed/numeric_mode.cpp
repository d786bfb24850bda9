#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::checkpoint {
namespace {

constexpr NumericMode kModes[] = {
    {"exact", 1, WeightForm::stored, WeightForm::stored, EntryForm::f32},
    {"bf16", 1, WeightForm::stored, WeightForm::stored, EntryForm::bf16},
    {"fast", 1, WeightForm::int8, WeightForm::int8, EntryForm::bf16},
    {"fast-e4", 1, WeightForm::int8, WeightForm::int4, EntryForm::bf16},
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

Result<NumericMode> find_numeric_mode(std::string_view name, unsigned expert_bits) {
  BATON_TRY(found, find_numeric_mode(name));
  if (expert_bits == 0) return found;
  for (const NumericMode& mode : kModes) {
    if (mode.weights == found.weights && mode.entries == found.entries &&
        bits(mode.experts) == expert_bits) {
      return mode;
    }
  }
  return fail(ErrorCode::unsupported, "Mode {} has no routed experts of {} bits.", name,
              expert_bits);
}

}  // namespace baton::checkpoint
