#include "server/loaded_model.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/hash/digest.h"
#include "model/checkpoint/strict_json.h"

namespace baton::server {

namespace {

constexpr size_t kTemplateBytesMax = 1u << 20;
constexpr size_t kConfigBytesMax = 1u << 20;

api::SpecialTokens special_tokens(const text::Tokenizer& tokenizer) {
  // Only an added token is one thing whatever stands around it.
  const auto find = [&](std::string_view text) {
    const auto id = tokenizer.find_token(text);
    return id && tokenizer.is_added(*id) ? id : std::nullopt;
  };
  api::SpecialTokens special;
  special.think_begin = find("<think>");
  special.think_end = find("</think>");
  special.tool_calls_begin = find("<｜tool▁calls▁begin｜>");
  special.tool_calls_end = find("<｜tool▁calls▁end｜>");
  special.tool_call_begin = find("<｜tool▁call▁begin｜>");
  special.tool_call_end = find("<｜tool▁call▁end｜>");
  special.tool_sep = find("<｜tool▁sep｜>");
  special.fim_begin = find("<｜fim▁begin｜>");
  special.fim_hole = find("<｜fim▁hole｜>");
  special.fim_end = find("<｜fim▁end｜>");
  return special;
}

Result<text::ChatTemplate> load_template(const ModelOptions& options) {
  if (options.chat_template.empty()) return text::ChatTemplate::load(options.directory);
  BATON_TRY(source, checkpoint::read_text_file(options.chat_template, kTemplateBytesMax));
  return text::ChatTemplate::load_other(source, options.directory);
}

// Names the configuration that is served: answers of one seed under one name should be the same.
Result<std::string> fingerprint_of(const ModelOptions& options) {
  BATON_TRY(config, checkpoint::read_text_file(options.directory / "config.json", kConfigBytesMax));
  return fmt::format("fp_{:012x}", digest(std::as_bytes(std::span(config))).high >> 16);
}

}  // namespace

LoadedModel::LoadedModel(text::Tokenizer tokenizer, std::optional<text::ChatPrompt> chat,
                         api::ModelFacts facts)
    : tokenizer_(std::move(tokenizer)), chat_(std::move(chat)), facts_(std::move(facts)) {}

std::string name_of(const std::filesystem::path& directory) {
  const auto whole = std::filesystem::absolute(directory).lexically_normal();
  const auto name = whole.filename().empty() ? whole.parent_path().filename() : whole.filename();
  return name.empty() ? "model" : name.string();
}

SamplingParams default_sampling(const checkpoint::SamplingDefaults& defaults) {
  SamplingParams sampling;
  if (defaults.temperature) sampling.temperature = static_cast<float>(*defaults.temperature);
  if (!defaults.do_sample) sampling.temperature = 0;
  if (defaults.top_p) sampling.top_p = static_cast<float>(*defaults.top_p);
  if (defaults.top_k) sampling.top_k = static_cast<uint32_t>(*defaults.top_k);
  if (defaults.repetition_penalty) {
    sampling.repetition_penalty = static_cast<float>(*defaults.repetition_penalty);
  }
  return sampling;
}

Result<std::unique_ptr<LoadedModel>> LoadedModel::load(const ModelOptions& options) {
  BATON_TRY(config, checkpoint::read_config(options.directory));
  BATON_TRY(tokenizer, text::Tokenizer::load(options.directory));
  std::optional<text::ChatPrompt> chat;
  auto loaded = load_template(options);
  if (loaded) {
    chat.emplace(*std::move(loaded));
  } else if (loaded.error().code != ErrorCode::not_found || !options.chat_template.empty()) {
    return loaded.error();  // a base model has none; a broken one must not be served
  }
  api::ModelFacts facts;
  facts.name = options.served_name.empty() ? name_of(options.directory) : options.served_name;
  facts.root = name_of(options.directory);
  facts.created = options.created;
  facts.vocab_size = static_cast<uint32_t>(config.vocab_size);
  facts.max_model_len = static_cast<uint32_t>(config.max_position_embeddings);
  if (options.max_model_len > facts.max_model_len) {
    return fail(ErrorCode::invalid_argument,
                "--max-model-len is {}, but the model was made for at most {} tokens.",
                options.max_model_len, facts.max_model_len);
  }
  if (options.max_model_len > 0) facts.max_model_len = options.max_model_len;
  facts.sampling = default_sampling(config.sampling);
  BATON_TRY(fingerprint, fingerprint_of(options));
  facts.fingerprint = fingerprint;
  facts.special = special_tokens(tokenizer);
  if (chat) facts.tool_style = chat->traits().style;
  facts.deepseek_temperature = options.deepseek_temperature;
  return std::unique_ptr<LoadedModel>(
      new LoadedModel(std::move(tokenizer), std::move(chat), std::move(facts)));
}

// A tokenizer may know more tokens than the model has rows.
Result<void> LoadedModel::check_ids(std::span<const TokenId> ids) const {
  for (const TokenId id : ids) {
    if (id < facts_.vocab_size) continue;
    return fail(ErrorCode::invalid_argument,
                "The text has the token {}, which this model of {} tokens does not know.", id,
                facts_.vocab_size);
  }
  return {};
}

Result<std::vector<TokenId>> LoadedModel::encode(std::string_view text, bool add_special) const {
  BATON_TRY(ids, tokenizer_.encode(text, text::SpecialText::as_token));
  const auto bos = tokenizer_.bos();
  if (add_special && tokenizer_.adds_bos() && bos) ids.insert(ids.begin(), *bos);
  BATON_CHECKED(check_ids(ids));
  return std::move(ids);
}

Result<std::vector<TokenId>> LoadedModel::encode(const text::RenderedPrompt& prompt) const {
  BATON_TRY(ids, tokenizer_.encode(prompt));
  BATON_CHECKED(check_ids(ids));
  return std::move(ids);
}

Result<std::vector<TokenId>> LoadedModel::encode_chat(const text::ChatQuestion& question) const {
  if (!chat_) {
    return fail(ErrorCode::unsupported,
                "This model has no chat template; ask /v1/completions instead.");
  }
  BATON_TRY(rendered, chat_->render(question));
  return encode(rendered);
}

std::string LoadedModel::decode(std::span<const TokenId> ids, bool skip_special) const {
  return tokenizer_.decode(ids, skip_special);
}

std::string_view LoadedModel::token_bytes(TokenId id) const { return tokenizer_.token_bytes(id); }

}  // namespace baton::server
