#include "model/checkpoint/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <system_error>

namespace baton::checkpoint {
namespace {

constexpr size_t kWholeDigestBytesMax = 64 << 20;
constexpr size_t kSampleBytes = 64;

bool is_float(Dtype dtype) {
  return dtype == Dtype::bf16 || dtype == Dtype::f16 || dtype == Dtype::f32;
}

Result<void> check_finite_scales(const TensorView& scales, std::string_view name,
                                 std::string_view file) {
  for (size_t at = 0; at < scales.data.size(); at += sizeof(float)) {
    float scale = 0;
    std::memcpy(&scale, scales.data.data() + at, sizeof(float));
    if (!std::isfinite(scale)) {
      return fail(ErrorCode::corrupt, "{}: tensor {} has a scale that is not finite, at {}.", file,
                  name, at / sizeof(float));
    }
  }
  return {};
}

// The tensor's first, middle and last bytes, or all of a short one.
void hash_samples(Sha256& hash, std::span<const std::byte> data) {
  if (data.size() <= 3 * kSampleBytes) {
    hash.update(data);
    return;
  }
  hash.update(data.first(kSampleBytes));
  hash.update(data.subspan(data.size() / 2, kSampleBytes));
  hash.update(data.last(kSampleBytes));
}

// The options that decide what is computed, spelled so that equal models give equal text.
std::string describe(const ModelConfig& c) {
  std::string text = fmt::format(
      "baton checkpoint 1\n{} hidden {} layers {}+{} vocab {} positions {} tied {}\n"
      "heads {} q_lora {} kv_lora {} nope {} rope {} v {}\n"
      "mlp {} {} experts {}+{} top {} groups {}/{} {} {} norm {} scale {:a} dense {} every {}\n"
      "eps {:a} theta {:a} fp8 {}\n",
      to_string(c.architecture), c.hidden_size, c.num_layers, c.mtp_layers, c.vocab_size,
      c.max_position_embeddings, c.tie_word_embeddings, c.num_heads, c.q_lora_rank.value_or(0),
      c.kv_lora_rank, c.qk_nope_head_dim, c.qk_rope_head_dim, c.v_head_dim, c.intermediate_size,
      c.moe_intermediate_size, c.num_routed_experts, c.num_shared_experts, c.experts_per_token,
      c.topk_groups, c.num_groups, to_string(c.scoring), to_string(c.topk_method), c.norm_topk_prob,
      c.routed_scaling_factor, c.first_k_dense_replace, c.moe_layer_freq, c.rms_norm_eps,
      c.rope_theta, c.fp8_blocks);
  if (c.yarn) {
    const Yarn& y = *c.yarn;
    text += fmt::format("yarn {:a} {} {:a} {:a} {:a} {:a}\n", y.factor,
                        y.original_max_position_embeddings, y.beta_fast, y.beta_slow, y.mscale,
                        y.mscale_all_dim);
  }
  return text;
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const std::filesystem::path& dir) {
  BATON_TRY(config, read_config(dir));
  BATON_TRY(shards, ShardSet::open(dir));
  Checkpoint checkpoint(dir, std::move(config), std::move(shards));
  BATON_CHECKED(checkpoint.check_tensors());
  return checkpoint;
}

Result<void> Checkpoint::check_tensors() {
  if (config_.mtp_layers > 0) {
    const std::string prefix = layer_prefix(config_.num_layers);
    const auto first = shards_.places().lower_bound(prefix);
    if (first == shards_.places().end() || !first->first.starts_with(prefix)) {
      config_.mtp_layers = 0;
      notes_.push_back("config.json speaks of an MTP layer, but the files hold none of it");
    }
  }
  std::optional<Error> problem;
  std::vector<std::string_view> used;
  visit_expected_tensors(config_, [&](const ExpectedTensor& tensor) {
    const auto place = shards_.places().find(tensor.name);
    if (place != shards_.places().end()) used.push_back(place->first);
    if (place == shards_.places().end() && tensor.optional) return true;
    const auto checked = check_tensor(tensor);
    if (!checked) {
      problem = checked.error();
      return false;
    }
    return true;
  });
  if (problem) return *problem;
  note_unused(used);
  return {};
}

Result<void> Checkpoint::check_tensor(const ExpectedTensor& tensor) const {
  const auto place = shards_.find(tensor.name);
  if (!place) {
    return fail(ErrorCode::corrupt, "{}: tensor {} {}, which config.json calls for, is missing.",
                dir_.string(), tensor.name, to_string(tensor.shape));
  }
  const std::string file = shards_.path(*place).string();
  const TensorInfo& info = *place->info;
  if (info.shape != tensor.shape) {
    return fail(ErrorCode::corrupt, "{}: tensor {} has shape {}, but config.json calls for {}.",
                file, tensor.name, to_string(info.shape), to_string(tensor.shape));
  }
  if (is_float(info.dtype)) return {};
  if (info.dtype == Dtype::f8_e4m3 && tensor.fp8 && config_.fp8_blocks) {
    return check_scale_shape(tensor, file);
  }
  return fail(ErrorCode::corrupt, "{}: tensor {} has dtype {}, but must be BF16, F16 or F32{}.",
              file, tensor.name, to_string(info.dtype),
              !tensor.fp8          ? ""
              : config_.fp8_blocks ? ", or F8_E4M3 with block scales"
                                   : ", since config.json has no quantization_config");
}

Result<void> Checkpoint::check_scale_shape(const ExpectedTensor& tensor,
                                           std::string_view file) const {
  const std::string name = scale_name(tensor.name);
  const auto place = shards_.find(name);
  if (!place) {
    return fail(ErrorCode::corrupt, "{}: tensor {} is F8_E4M3, but its scales {} are missing.",
                file, tensor.name, name);
  }
  const Shape expected = scale_shape(tensor.shape);
  if (place->info->shape != expected || place->info->dtype != Dtype::f32) {
    return fail(ErrorCode::corrupt, "{}: tensor {} is {} {}, but must be F32 {}.",
                shards_.path(*place).string(), name, to_string(place->info->dtype),
                to_string(place->info->shape), to_string(expected));
  }
  return {};
}

// Files may hold more than the model uses: rotary tables, an MTP layer that config.json leaves out.
void Checkpoint::note_unused(const std::vector<std::string_view>& used) {
  std::vector<std::string_view> known = used;
  std::sort(known.begin(), known.end());
  size_t count = 0;
  std::string first;
  for (const auto& [name, place] : shards_.places()) {
    std::string_view weight = name;
    constexpr std::string_view kScale = "_scale_inv";
    if (weight.ends_with(kScale)) weight.remove_suffix(kScale.size());
    if (std::binary_search(known.begin(), known.end(), weight)) continue;
    if (name.ends_with("rotary_emb.inv_freq")) continue;
    if (count++ == 0) first = fmt::format("{} in {}", name, shards_.path(place).string());
  }
  if (count > 0) {
    notes_.push_back(fmt::format("{} tensors are not used, the first of them {}", count, first));
  }
}

Result<Weight> Checkpoint::weight(std::string_view name) const {
  const auto place = shards_.find(name);
  if (!place) {
    return fail(ErrorCode::not_found, "{}: there is no tensor {}.", dir_.string(), name);
  }
  Weight weight;
  weight.name = name;
  weight.file = shards_.path(*place).string();
  weight.data = shards_.view(*place);
  const Shape& shape = weight.data.shape;
  if (shape.empty() || shape.size() > 2) {
    return fail(ErrorCode::unsupported, "{}: tensor {} is no vector or matrix but {}.", weight.file,
                name, to_string(shape));
  }
  weight.rows = shape.size() == 2 ? shape[0] : 1;
  weight.cols = shape.back();
  if (weight.data.dtype != Dtype::f8_e4m3) return weight;

  const std::string scales = scale_name(name);
  const auto scale_place = shards_.find(scales);
  if (!scale_place || scale_place->info->dtype != Dtype::f32 ||
      scale_place->info->shape != scale_shape(shape)) {
    return fail(ErrorCode::corrupt, "{}: tensor {} is F8_E4M3 without F32 block scales.",
                weight.file, name);
  }
  weight.scale_inv = shards_.view(*scale_place);
  BATON_CHECKED(
      check_finite_scales(*weight.scale_inv, scales, shards_.path(*scale_place).string()));
  return weight;
}

Result<Weight> Checkpoint::embedding() const { return weight("model.embed_tokens.weight"); }

Result<Weight> Checkpoint::head() const {
  return config_.tie_word_embeddings ? embedding() : weight("lm_head.weight");
}

Result<Weight> Checkpoint::mtp_embedding() const {
  const std::string own = layer_prefix(config_.num_layers) + "embed_tokens.weight";
  return has(own) ? weight(own) : embedding();
}

Result<Weight> Checkpoint::mtp_head() const {
  const std::string own = layer_prefix(config_.num_layers) + "shared_head.head.weight";
  return has(own) ? weight(own) : head();
}

Result<void> Checkpoint::check_scales() const {
  for (const auto& [name, place] : shards_.places()) {
    if (place.info->dtype == Dtype::f32 && name.ends_with("_scale_inv")) {
      BATON_CHECKED(check_finite_scales(shards_.view(place), name, shards_.path(place).string()));
    }
  }
  return {};
}

Sha256Digest Checkpoint::fingerprint() const {
  size_t total_bytes = 0;
  for (const auto& file : shards_.files()) total_bytes += file.data_bytes();
  const bool whole = total_bytes <= kWholeDigestBytesMax;

  Sha256 hash;
  hash.update(describe(config_));
  const auto add = [&](const std::string& name) {
    const auto place = shards_.find(name);
    if (!place) return;
    const TensorView view = shards_.view(*place);
    hash.update(fmt::format("{} {} {}\n", name, to_string(view.dtype), to_string(view.shape)));
    if (whole) {
      hash.update(view.data);
    } else {
      hash_samples(hash, view.data);
    }
  };
  visit_expected_tensors(config_, [&](const ExpectedTensor& tensor) {
    add(tensor.name);
    if (tensor.fp8) add(scale_name(tensor.name));
    return true;
  });
  return hash.finish();
}

}  // namespace baton::checkpoint
