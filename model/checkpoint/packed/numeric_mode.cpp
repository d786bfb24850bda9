#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::checkpoint {
namespace {

constexpr NumericMode kModes[] = {
    {"exact", 1, WeightForm::stored, EntryForm::f32},
    {"fast", 1, WeightForm::int8, EntryForm::bf16},
};

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

}  // namespace baton::checkpoint
