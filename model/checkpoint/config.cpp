#include "model/checkpoint/config.h"

#include <cmath>
#include <limits>
#include <string>

#include "model/checkpoint/strict_json.h"

namespace baton::checkpoint {
namespace {

using Json = nlohmann::json;

constexpr size_t kConfigBytesMax = 4 << 20;
constexpr size_t kDimensionMax = 1 << 20;
constexpr size_t kLayersMax = 1024;
constexpr size_t kExpertsMax = 1 << 14;
constexpr size_t kVocabularyMax = 1 << 24;
constexpr size_t kPositionsMax = 1 << 28;

// Reads fields of one JSON object. The first field that is wrong is remembered with its sentence;
// the reads after it return defaults, so that a reader asks once, at the end.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  // The field's value, or null if it is absent or null.
  const Json* find(const char* name) const {
    const auto entry = object_.find(name);
    return entry == object_.end() || entry->is_null() ? nullptr : &*entry;
  }
  bool has(const char* name) const { return object_.contains(name); }

  void refuse(ErrorCode code, const char* name, std::string_view reason) {
    if (problem_) return;
    const Json* value = find(name);
    problem_ = fail(code, "{}: field \"{}\" {}; it is {}.", where_, name, reason,
                    value       ? shown(*value)
                    : has(name) ? "null"
                                : "absent");
  }

  size_t size(const char* name, size_t least, size_t most, std::optional<size_t> absent = {}) {
    const Json* value = find(name);
    if (value == nullptr && absent) return *absent;
    if (value != nullptr && value->is_number_unsigned()) {
      const auto number = value->get<uint64_t>();
      if (number >= least && number <= most) return number;
    }
    refuse(ErrorCode::invalid_argument, name,
           fmt::format("must be a whole number from {} to {}", least, most));
    return least;
  }

  double number(const char* name, double least, double most, std::optional<double> absent = {}) {
    const Json* value = find(name);
    if (value == nullptr && absent) return *absent;
    if (value != nullptr && value->is_number()) {
      const double number = value->get<double>();
      if (number >= least && number <= most) return number;
    }
    refuse(ErrorCode::invalid_argument, name,
           fmt::format("must be a number from {} to {}", least, most));
    return least;
  }

  bool boolean(const char* name, bool absent) {
    const Json* value = find(name);
    if (value == nullptr) return absent;
    if (value->is_boolean()) return value->get<bool>();
    refuse(ErrorCode::invalid_argument, name, "must be true or false");
    return absent;
  }

  std::string text(const char* name, std::string_view absent) {
    const Json* value = find(name);
    if (value == nullptr) return std::string(absent);
    if (value->is_string()) return value->get<std::string>();
    refuse(ErrorCode::invalid_argument, name, "must be a string");
    return std::string(absent);
  }

  // An option of which Baton computes one value only.
  void only(const char* name, const Json& served) {
    const Json* value = find(name);
    if (value != nullptr && *value != served) {
      refuse(ErrorCode::unsupported, name, fmt::format("is served as {} only", served.dump()));
    }
  }

  void adopt(const Fields& inner) {
    if (!problem_) problem_ = inner.problem_;
  }
  Fields inner(const char* name, const Json& object) const {
    return Fields(object, fmt::format("{}: \"{}\"", where_, name));
  }
  const std::optional<Error>& problem() const { return problem_; }

 private:
  static std::string shown(const Json& value) {
    const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    return text.size() <= 60 ? text : text.substr(0, 57) + "...";
  }

  const Json& object_;
  std::string where_;
  std::optional<Error> problem_;
};

void read_architecture(Fields& fields, ModelConfig& config) {
  const Json* names = fields.find("architectures");
  if (names != nullptr && names->is_array() && names->size() == 1) {
    for (const auto known : {Architecture::deepseek_v2, Architecture::deepseek_v3}) {
      if (names->front() == to_string(known)) {
        config.architecture = known;
        return;
      }
    }
  }
  fields.refuse(ErrorCode::unsupported, "architectures",
                "must name one architecture that Baton serves, DeepseekV3ForCausalLM or "
                "DeepseekV2ForCausalLM");
}

void read_dimensions(Fields& fields, ModelConfig& config) {
  config.hidden_size = fields.size("hidden_size", 1, kDimensionMax);
  config.num_layers = fields.size("num_hidden_layers", 1, kLayersMax);
  config.vocab_size = fields.size("vocab_size", 1, kVocabularyMax);
  config.max_position_embeddings = fields.size("max_position_embeddings", 1, kPositionsMax);
  config.tie_word_embeddings = fields.boolean("tie_word_embeddings", false);
  config.rms_norm_eps = fields.number("rms_norm_eps", 1e-30, 1, 1e-6);
  fields.only("hidden_act", "silu");
  fields.only("mlp_bias", false);
  config.mtp_layers = fields.size("num_nextn_predict_layers", 0, kLayersMax, 0);
  if (config.mtp_layers > 1) {
    fields.refuse(ErrorCode::unsupported, "num_nextn_predict_layers",
                  "is served as 0 or 1 only (one MTP layer)");
  }
}

void read_attention(Fields& fields, ModelConfig& config) {
  config.num_heads = fields.size("num_attention_heads", 1, 4096);
  if (!fields.has("q_lora_rank")) {
    fields.refuse(ErrorCode::invalid_argument, "q_lora_rank",
                  "must be given, as a whole number or null");
  } else if (fields.find("q_lora_rank") != nullptr) {
    config.q_lora_rank = fields.size("q_lora_rank", 1, kDimensionMax);
  }
  config.kv_lora_rank = fields.size("kv_lora_rank", 1, kDimensionMax);
  config.qk_nope_head_dim = fields.size("qk_nope_head_dim", 1, 1 << 16);
  config.qk_rope_head_dim = fields.size("qk_rope_head_dim", 2, 1 << 16);
  if (config.qk_rope_head_dim % 2 != 0) {
    fields.refuse(ErrorCode::invalid_argument, "qk_rope_head_dim",
                  "must be even, since rotary embedding turns pairs");
  }
  config.v_head_dim = fields.size("v_head_dim", 1, 1 << 16);
  fields.only("attention_bias", false);
  fields.only("rope_interleave", true);
  const Json* kv_heads = fields.find("num_key_value_heads");
  if (kv_heads != nullptr && *kv_heads != config.num_heads) {
    fields.refuse(ErrorCode::unsupported, "num_key_value_heads",
                  "must equal num_attention_heads, since all heads share one latent");
  }
}

void read_yarn(Fields& fields, ModelConfig& config) {
  Yarn yarn;
  yarn.factor = fields.number("factor", 1, 1e6);
  yarn.original_max_position_embeddings =
      fields.size("original_max_position_embeddings", 1, kPositionsMax);
  yarn.beta_fast = fields.number("beta_fast", 1e-6, 1e6, yarn.beta_fast);
  yarn.beta_slow = fields.number("beta_slow", 1e-6, 1e6, yarn.beta_slow);
  yarn.mscale = fields.number("mscale", 0, 100, yarn.mscale);
  yarn.mscale_all_dim = fields.number("mscale_all_dim", 0, 100, yarn.mscale_all_dim);
  fields.only("attention_factor", nullptr);
  fields.only("truncate", true);
  config.yarn = yarn;
}

// Newer files call the object "rope_parameters", its type "rope_type", and keep theta in it.
void read_rope(Fields& fields, ModelConfig& config) {
  config.rope_theta = fields.number("rope_theta", 1.0001, 1e12, 10000);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    const Json* object = fields.find(name);
    if (object == nullptr) continue;
    if (!object->is_object()) {
      fields.refuse(ErrorCode::invalid_argument, name, "must be an object or null");
      return;
    }
    Fields rope = fields.inner(name, *object);
    config.rope_theta = rope.number("rope_theta", 1.0001, 1e12, config.rope_theta);
    const char* key = rope.has("rope_type") ? "rope_type" : "type";
    const std::string type = rope.text(key, "");
    if (type == "yarn") {
      read_yarn(rope, config);
    } else if (type != "default") {
      rope.refuse(ErrorCode::unsupported, key, "must be \"yarn\", the scaling that Baton serves");
    }
    fields.adopt(rope);
  }
}

void read_experts(Fields& fields, ModelConfig& config) {
  config.intermediate_size = fields.size("intermediate_size", 1, kDimensionMax);
  config.moe_intermediate_size = fields.size("moe_intermediate_size", 1, kDimensionMax);
  config.num_routed_experts = fields.size("n_routed_experts", 1, kExpertsMax);
  config.num_shared_experts = fields.size("n_shared_experts", 0, 1024, 0);
  config.experts_per_token =
      fields.size("num_experts_per_tok", 1, std::min<size_t>(config.num_routed_experts, 1024));
  config.first_k_dense_replace = fields.size("first_k_dense_replace", 0, config.num_layers);
  config.moe_layer_freq = fields.size("moe_layer_freq", 1, kLayersMax, 1);
  config.routed_scaling_factor = fields.number("routed_scaling_factor", 1e-6, 1e6);
}

// How a token chooses its experts. Where nothing is said of the scores, they are what the published
// models use: sigmoids for the bias of noaux_tc to correct, else a softmax.
void read_router(Fields& fields, ModelConfig& config) {
  const bool v3 = config.architecture == Architecture::deepseek_v3;
  config.norm_topk_prob = fields.boolean("norm_topk_prob", v3);
  const std::string method = fields.text("topk_method", v3 ? "noaux_tc" : "greedy");
  if (method == "noaux_tc") {
    config.topk_method = TopkMethod::noaux_tc;
  } else if (method == "greedy") {
    config.topk_method = TopkMethod::greedy;
  } else if (method == "group_limited_greedy") {
    config.topk_method = TopkMethod::group_limited_greedy;
  } else {
    fields.refuse(ErrorCode::unsupported, "topk_method",
                  "must be noaux_tc, greedy or group_limited_greedy");
  }
  const bool noaux = config.topk_method == TopkMethod::noaux_tc;
  const std::string scoring = fields.text("scoring_func", noaux ? "sigmoid" : "softmax");
  config.scoring = scoring == "sigmoid" ? Scoring::sigmoid : Scoring::softmax;
  if (scoring != to_string(config.scoring)) {
    fields.refuse(ErrorCode::unsupported, "scoring_func", "must be sigmoid or softmax");
  }
}

void read_groups(Fields& fields, ModelConfig& config) {
  if (config.topk_method == TopkMethod::greedy) return;  // looks at all experts, groups or not
  for (const char* name : {"n_group", "topk_group"}) {
    if (!fields.has(name)) {
      fields.refuse(ErrorCode::invalid_argument, name,
                    "must be given, as a whole number or null (which means 1)");
    }
  }
  config.num_groups = fields.size("n_group", 1, config.num_routed_experts, 1);
  config.topk_groups = fields.size("topk_group", 1, config.num_groups, 1);
  if (config.num_routed_experts % config.num_groups != 0) {
    fields.refuse(ErrorCode::invalid_argument, "n_group",
                  fmt::format("must divide n_routed_experts ({})", config.num_routed_experts));
  }
  const size_t group_size = config.num_routed_experts / config.num_groups;
  if (config.topk_method == TopkMethod::noaux_tc && config.num_groups > 1 && group_size < 2) {
    fields.refuse(ErrorCode::invalid_argument, "n_group",
                  "must leave two experts or more in a group, since noaux_tc adds the best two");
  }
  if (config.experts_per_token > config.topk_groups * group_size) {
    fields.refuse(ErrorCode::invalid_argument, "num_experts_per_tok",
                  fmt::format("must not exceed the {} experts of the {} chosen groups",
                              config.topk_groups * group_size, config.topk_groups));
  }
}

void read_quantization(Fields& fields, ModelConfig& config) {
  const Json* object = fields.find("quantization_config");
  if (object == nullptr) return;
  if (!object->is_object()) {
    fields.refuse(ErrorCode::invalid_argument, "quantization_config", "must be an object");
    return;
  }
  Fields inner = fields.inner("quantization_config", *object);
  if (inner.text("quant_method", "") != "fp8") {
    inner.refuse(ErrorCode::unsupported, "quant_method",
                 "must be \"fp8\", the one quantization of checkpoints that Baton reads");
  }
  inner.only("fmt", "e4m3");
  if (inner.find("weight_block_size") == nullptr) {
    inner.refuse(ErrorCode::unsupported, "weight_block_size", "must be [128, 128]");
  }
  inner.only("weight_block_size", Json::array({kFp8Block, kFp8Block}));
  fields.adopt(inner);
  config.fp8_blocks = true;
}

std::optional<uint32_t> token_id(const Json& value, const ModelConfig& config) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= config.vocab_size) return {};
  return value.get<uint32_t>();
}

void read_special_tokens(Fields& fields, ModelConfig& config) {
  if (const Json* bos = fields.find("bos_token_id")) {
    const auto id = token_id(*bos, config);
    if (!id) {
      fields.refuse(ErrorCode::invalid_argument, "bos_token_id", "must be an id of the vocabulary");
    } else if (!config.bos_token_id) {
      config.bos_token_id = id;
    }
  }
  const Json* eos = fields.find("eos_token_id");
  if (eos == nullptr) return;
  const Json ids = eos->is_array() ? *eos : Json::array({*eos});
  if (ids.size() > 64) {
    fields.refuse(ErrorCode::invalid_argument, "eos_token_id", "must hold 64 ids or fewer");
    return;
  }
  for (const Json& each : ids) {
    const auto id = token_id(each, config);
    if (!id) {
      fields.refuse(ErrorCode::invalid_argument, "eos_token_id",
                    "must be an id of the vocabulary or a list of them");
      return;
    }
    auto& known = config.eos_token_ids;
    if (std::find(known.begin(), known.end(), *id) == known.end()) known.push_back(*id);
  }
}

void read_sampling(Fields& fields, ModelConfig& config) {
  config.sampling.do_sample = fields.boolean("do_sample", true);
  if (fields.find("temperature")) {
    config.sampling.temperature = fields.number("temperature", 0, 100);
  }
  if (fields.find("top_p")) config.sampling.top_p = fields.number("top_p", 0, 1);
  if (fields.find("top_k")) config.sampling.top_k = fields.size("top_k", 0, kVocabularyMax);
  if (fields.find("repetition_penalty")) {
    config.sampling.repetition_penalty = fields.number("repetition_penalty", 1e-3, 1e3);
  }
}

// ln(x) for finite x > 0, by additions and multiplications alone: the C library's differs by CPU.
double natural_log(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);  // exact; in [1/2, 1)
  if (mantissa < 0.70710678118654752) {
    mantissa *= 2;
    --exponent;
  }
  // ln(m) = 2 atanh(s), |s| < 0.172: the terms left out are below 2^-60.
  const double s = (mantissa - 1) / (mantissa + 1);
  double sum = 0;
  for (int k = 25; k >= 1; k -= 2) sum = sum * s * s + 1.0 / k;
  return exponent * 0.69314718055994530942 + 2 * s * sum;
}

Result<Json> parse_object(std::string_view text, const std::string& where) {
  BATON_TRY(json, parse_strict_json(text, where));
  if (!json.is_object()) return fail(ErrorCode::corrupt, "{} is not a JSON object.", where);
  return Result<Json>(boost::system::in_place_value, std::move(json));
}

}  // namespace

std::string_view to_string(Architecture architecture) {
  return architecture == Architecture::deepseek_v2 ? "DeepseekV2ForCausalLM"
                                                   : "DeepseekV3ForCausalLM";
}

std::string_view to_string(Scoring scoring) {
  return scoring == Scoring::sigmoid ? "sigmoid" : "softmax";
}

std::string_view to_string(TopkMethod method) {
  switch (method) {
    case TopkMethod::greedy:
      return "greedy";
    case TopkMethod::group_limited_greedy:
      return "group_limited_greedy";
    case TopkMethod::noaux_tc:
      return "noaux_tc";
  }
  return "";
}

bool ModelConfig::is_moe_layer(size_t layer) const {
  if (layer >= num_layers) return true;
  return layer >= first_k_dense_replace && layer % moe_layer_freq == 0;
}

double ModelConfig::softmax_scale() const {
  const double plain = 1 / std::sqrt(static_cast<double>(qk_head_dim()));
  if (!yarn || yarn->mscale_all_dim == 0) return plain;
  const double scale = yarn_mscale(yarn->factor, yarn->mscale_all_dim);
  return plain * scale * scale;
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * natural_log(factor) + 1;
}

Result<ModelConfig> parse_config(std::string_view config_json, std::string_view generation_json,
                                 std::string_view where) {
  const std::string config_name = fmt::format("{}/config.json", where);
  BATON_TRY(json, parse_object(config_json, config_name));
  ModelConfig config;
  Fields fields(json, config_name);
  read_architecture(fields, config);  // first: of another architecture nothing else is worth saying
  read_dimensions(fields, config);
  read_attention(fields, config);
  read_rope(fields, config);
  read_experts(fields, config);
  read_router(fields, config);
  read_groups(fields, config);
  read_quantization(fields, config);
  read_special_tokens(fields, config);
  if (fields.problem()) return *fields.problem();

  if (generation_json.empty()) return config;
  const std::string generation_name = fmt::format("{}/generation_config.json", where);
  BATON_TRY(generation, parse_object(generation_json, generation_name));
  Fields proposals(generation, generation_name);
  read_special_tokens(proposals, config);
  read_sampling(proposals, config);
  if (proposals.problem()) return *proposals.problem();
  return config;
}

Result<ModelConfig> read_config(const std::filesystem::path& dir) {
  std::error_code error;
  if (!std::filesystem::is_directory(dir, error)) {
    return fail(ErrorCode::not_found, "{} is not a folder; give the folder of a checkpoint.",
                dir.string());
  }
  BATON_TRY(config, read_text_file(dir / "config.json", kConfigBytesMax));
  std::string generation;
  const auto generation_path = dir / "generation_config.json";
  if (std::filesystem::exists(generation_path, error)) {
    BATON_TRY(text, read_text_file(generation_path, kConfigBytesMax));
    generation = std::move(text);
  }
  return parse_config(config, generation, dir.string());
}

}  // namespace baton::checkpoint
