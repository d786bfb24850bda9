#include "bench/make_checkpoint/shape.h"

namespace baton::bench {

void add_shape_options(CLI::App& app, Shape& s) {
  const auto size = [&](const char* flag, size_t& value, const char* what) {
    app.add_option(flag, value, what)->capture_default_str();
  };
  size("--hidden", s.hidden, "hidden size");
  size("--layers", s.layers, "layers");
  size("--dense-layers", s.dense_layers, "layers at the start without experts");
  size("--heads", s.heads, "attention heads");
  size("--q-lora", s.q_lora, "latent of the queries; 0: none");
  size("--kv-lora", s.kv_lora, "latent of keys and values");
  size("--nope", s.nope, "a head's key without position");
  size("--rope", s.rope, "a head's key with position");
  size("--v", s.v, "a head's value");
  size("--dense-width", s.dense_width, "width of a dense MLP");
  size("--expert-width", s.expert_width, "width of an expert");
  size("--experts", s.experts, "routed experts");
  size("--shared-experts", s.shared_experts, "shared experts");
  size("--chosen", s.chosen, "experts a token");
  size("--groups", s.groups, "groups of experts");
  size("--chosen-groups", s.chosen_groups, "groups a token");
  size("--vocabulary", s.vocabulary, "tokens");
  size("--positions", s.positions, "longest context");
  app.add_flag("--mtp", s.mtp, "with an MTP layer");
  app.add_flag("--fp8", s.fp8, "linear weights as FP8 in blocks of 128 x 128, else BF16");
}

nlohmann::json config_of(const Shape& s) {
  nlohmann::json config = {
      {"architectures", {"DeepseekV3ForCausalLM"}},
      {"model_type", "deepseek_v3"},
      {"torch_dtype", "bfloat16"},
      {"hidden_act", "silu"},
      {"attention_bias", false},
      {"tie_word_embeddings", false},
      {"hidden_size", s.hidden},
      {"num_hidden_layers", s.layers},
      {"num_attention_heads", s.heads},
      {"num_key_value_heads", s.heads},
      {"q_lora_rank", nullptr},
      {"kv_lora_rank", s.kv_lora},
      {"qk_nope_head_dim", s.nope},
      {"qk_rope_head_dim", s.rope},
      {"v_head_dim", s.v},
      {"intermediate_size", s.dense_width},
      {"moe_intermediate_size", s.expert_width},
      {"n_routed_experts", s.experts},
      {"n_shared_experts", s.shared_experts},
      {"num_experts_per_tok", s.chosen},
      {"n_group", s.groups},
      {"topk_group", s.chosen_groups},
      {"scoring_func", "sigmoid"},
      {"topk_method", "noaux_tc"},
      {"norm_topk_prob", true},
      {"routed_scaling_factor", 1.0},
      {"first_k_dense_replace", s.dense_layers},
      {"moe_layer_freq", 1},
      {"rms_norm_eps", 1e-6},
      {"rope_theta", 10000},
      {"rope_scaling", nullptr},
      {"max_position_embeddings", s.positions},
      {"vocab_size", s.vocabulary},
      {"num_nextn_predict_layers", s.mtp ? 1 : 0},
      {"bos_token_id", 0},
      {"eos_token_id", 1},
  };
  if (s.q_lora != 0) config["q_lora_rank"] = s.q_lora;
  if (s.fp8) {
    config["quantization_config"] = {{"quant_method", "fp8"},
                                     {"fmt", "e4m3"},
                                     {"activation_scheme", "dynamic"},
                                     {"weight_block_size", {128, 128}}};
  }
  return config;
}

}  // namespace baton::bench
