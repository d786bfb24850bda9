// NumericMode: how weights, activations and cache entries are represented: the one place that says
// so for each mode by name.
//
// `exact`: the checkpoint's own weights, float32 activations and entries; the reference.
// `bf16`: the checkpoint's own weights (BF16, as they come; of an FP8 checkpoint the products of
// codes and scales), float32 activations and sums, BF16 entries.
// `fast`: projections, experts and heads as INT8 panels with INT8 activations (kernels/int8), BF16
// entries; embedding, norms and routers as in `exact`.
// `fast-e4`: `fast`, but routed experts have 4-bit weights.
// `fast-kv8`, `fast-e4-kv8`: the same, but an entry's latent is FP8 (e4m3, a float32 scale for each
// 128 columns) and only its rope part BF16: 656 bytes of V3's instead of 1,152.
// A mode's name and revision are part of what two instances must agree on. Thread safety: values.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/checkpoint/config.h"

namespace baton::checkpoint {

enum class WeightForm : uint8_t { stored, int8, int4 };
enum class EntryForm : uint8_t { f32, bf16, fp8 };

struct NumericMode {
  std::string_view name;  // as in --mode and in manifests
  unsigned revision = 1;  // of its arithmetic, and of its packed files
  WeightForm weights = WeightForm::stored;
  WeightForm experts = WeightForm::stored;  // of the routed ones
  EntryForm entries = EntryForm::f32;

  bool packed() const { return weights != WeightForm::stored; }
  std::string_view pack_name() const;  // modes with the same weights share a packed file
  size_t entry_bytes(const ModelConfig& config) const;
  // What manifests say: the name alone is not enough once arithmetic has changed.
  std::string manifest_name() const;
};

std::span<const NumericMode> numeric_modes();
std::string numeric_mode_names();  // "exact, bf16, fast, ..."
Result<NumericMode> find_numeric_mode(std::string_view name);
// The mode that differs from the one of this name in the bits of routed experts' weights (0: does
// not) and in the form of entries (none: does not) alone.
Result<NumericMode> find_numeric_mode(std::string_view name, unsigned expert_bits,
                                      std::optional<EntryForm> entries = {});

}  // namespace baton::checkpoint
