#include "model/checkpoint/summary.h"

#include <algorithm>
#include <numeric>

#include "model/checkpoint/packed/packed_layout.h"

namespace baton::checkpoint {
namespace {

size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }

size_t elements_of(const Shape& shape) {
  return std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<>());
}

// The bytes of one tensor by dtype, the scales of an FP8 weight among them.
struct Stored {
  Dtype dtype = Dtype::bf16;
  size_t bytes = 0;
  size_t scale_bytes = 0;
};

Stored stored_by_config(const ModelConfig& config, const ExpectedTensor& tensor) {
  const size_t elements = tensor.elements();
  // The one projection that published FP8 checkpoints leave in BF16 is eh_proj.
  if (config.fp8_blocks && tensor.fp8 && tensor.kind != TensorKind::mtp_projection) {
    return {Dtype::f8_e4m3, elements, 4 * elements_of(scale_shape(tensor.shape))};
  }
  const bool bias = tensor.name.ends_with("e_score_correction_bias");
  const Dtype dtype = bias ? Dtype::f32 : Dtype::bf16;
  return {dtype, elements * dtype_bytes(dtype), 0};
}

std::optional<Stored> stored_in_files(const Checkpoint& checkpoint, const ExpectedTensor& tensor) {
  const auto place = checkpoint.shards().find(tensor.name);
  if (!place) return {};
  Stored stored{place->info->dtype, place->info->end - place->info->begin, 0};
  if (stored.dtype == Dtype::f8_e4m3) {
    stored.scale_bytes = 4 * elements_of(scale_shape(tensor.shape));
  }
  return stored;
}

// Of one tensor, as a mode holds it.
size_t bytes_in_mode(const ModelConfig& config, const NumericMode& mode,
                     const ExpectedTensor& tensor, size_t stored_bytes) {
  if (!mode.packed()) return stored_bytes;
  const auto pieces = packed_pieces(config, mode, tensor);
  const bool looked_up = tensor.kind == TensorKind::embedding;
  size_t bytes = pieces.empty() || looked_up ? stored_bytes : 0;
  for (const PackedPiece& piece : pieces) bytes += piece.shape.bytes();
  return bytes;
}

using StoredOf = std::function<std::optional<Stored>(const ExpectedTensor&)>;

Summary summarize_with(const ModelConfig& config, const StoredOf& stored_of) {
  Summary summary;
  summary.config = config;
  size_t routed = 0;
  visit_expected_tensors(config, [&](const ExpectedTensor& tensor) {
    const auto stored = stored_of(tensor);
    if (!stored) return true;
    const WeightSize size{tensor.elements(), stored->bytes + stored->scale_bytes};
    (tensor.optional ? summary.mtp_copies : tensor.mtp ? summary.mtp : summary.main) += size;
    if (!tensor.mtp && tensor.kind == TensorKind::routed_expert) routed += size.parameters;
    summary.by_kind[std::string(to_string(tensor.kind))] += size;
    for (const NumericMode& mode : numeric_modes()) {
      summary.bytes_by_mode[std::string(mode.name)] +=
          bytes_in_mode(config, mode, tensor, size.stored_bytes);
    }
    summary.by_split[static_cast<size_t>(tensor.split)] += size;
    summary.bytes_by_dtype[std::string(to_string(stored->dtype))] += stored->bytes;
    if (stored->scale_bytes > 0) summary.bytes_by_dtype["F32"] += stored->scale_bytes;
    return true;
  });
  // All experts have one size, so the active share is exact. An embedding is looked up, which
  // touches one row, unless it is the head too.
  const size_t lookup = config.tie_word_embeddings ? 0 : config.vocab_size * config.hidden_size;
  summary.active_parameters = summary.main.parameters - lookup - routed +
                              routed / config.num_routed_experts * config.experts_per_token;
  const size_t entry = config.kv_entry_width();
  summary.kv_exact_bytes_per_token = 4 * entry * config.num_cache_layers();
  summary.kv_fast_bytes_per_token = 2 * entry * config.num_cache_layers();
  summary.kv_fast_main_bytes_per_token = 2 * entry * config.num_layers;
  return summary;
}

WeightSize share(const WeightSize& size, size_t parts) {
  return {ceil_div(size.parameters, parts), ceil_div(size.stored_bytes, parts)};
}

WeightSize times(const WeightSize& size, size_t count) {
  return {size.parameters * count, size.stored_bytes * count};
}

}  // namespace

WeightSize& WeightSize::operator+=(const WeightSize& other) {
  parameters += other.parameters;
  stored_bytes += other.stored_bytes;
  return *this;
}

Summary summarize(const ModelConfig& config) {
  return summarize_with(
      config, [&](const ExpectedTensor& tensor) { return stored_by_config(config, tensor); });
}

Summary summarize(const Checkpoint& checkpoint) {
  return summarize_with(checkpoint.config(), [&](const ExpectedTensor& tensor) {
    return stored_in_files(checkpoint, tensor);
  });
}

size_t weight_bytes(const Summary& summary, const NumericMode& mode) {
  const auto found = summary.bytes_by_mode.find(std::string(mode.name));
  check(found != summary.bytes_by_mode.end(), "a summary knows every mode");
  return found->second;
}

parallel::ModelShape model_shape(const ModelConfig& config) {
  return {.heads = static_cast<uint32_t>(config.num_heads),
          .routed_experts = static_cast<uint32_t>(config.num_routed_experts),
          .shared_experts = static_cast<uint32_t>(config.num_shared_experts),
          .expert_groups = static_cast<uint32_t>(config.num_groups),
          .experts_per_token = static_cast<uint32_t>(config.experts_per_token)};
}

WeightSize RankMemory::total() const {
  WeightSize sum = replicated;
  sum += split;
  sum += experts;
  return sum;
}

Result<RankMemory> rank_memory(const Summary& summary, const parallel::Layout& layout) {
  const ModelConfig& config = summary.config;
  const parallel::ModelShape shape = model_shape(config);
  BATON_CHECKED(parallel::check_layout(layout, shape));
  RankMemory memory;
  memory.slots = layout.slots_per_rank(shape.routed_experts);

  const auto split = [&](TensorSplit kind) { return summary.by_split[static_cast<size_t>(kind)]; };
  const auto shared_entry = summary.by_kind.find(std::string(to_string(TensorKind::shared_expert)));
  const WeightSize shared =
      shared_entry == summary.by_kind.end() ? WeightSize{} : shared_entry->second;
  // One expert's weights through all layers.
  const WeightSize expert = share(split(TensorSplit::expert), config.num_routed_experts);

  memory.replicated = split(TensorSplit::whole);
  memory.replicated.parameters -= shared.parameters;
  memory.replicated.stored_bytes -= shared.stored_bytes;
  memory.split = share(split(TensorSplit::rows), layout.tp);
  memory.split += share(split(TensorSplit::columns), layout.tp);
  if (layout.shared == parallel::SharedExpert::routed) {
    // The fullest rank has the shared expert, which may be wider than a routed one, in a slot.
    memory.experts = times(expert, memory.slots - 1);
    memory.experts += shared.stored_bytes > expert.stored_bytes ? shared : expert;
  } else {
    memory.experts = times(expert, memory.slots);
    memory.experts += shared;
  }
  return memory;
}

}  // namespace baton::checkpoint
