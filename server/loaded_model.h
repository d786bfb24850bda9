// LoadedModel: the text side of a model folder: its configuration, tokenizer and chat template.
// The gateway reads no weights. Thread safety: const after load.
#pragma once

#include <filesystem>
#include <memory>

#include "model/checkpoint/config.h"
#include "model/text/chat/chat_prompt.h"
#include "model/text/tokenizer.h"
#include "server/api/text_model.h"

namespace baton::server {

struct ModelOptions {
  std::filesystem::path directory;
  std::string served_name;              // NAME or NAME,OTHER...; empty: the folder's name
  std::filesystem::path chat_template;  // the operator's; empty: the folder's own
  bool deepseek_temperature = false;
  uint32_t max_model_len = 0;  // 0: what the model was made for
  int64_t created = 0;
};

class LoadedModel final : public api::TextModel {
 public:
  static Result<std::unique_ptr<LoadedModel>> load(const ModelOptions& options);

  const api::ModelFacts& facts() const override { return facts_; }
  Result<std::vector<TokenId>> encode(std::string_view text, bool add_special) const override;
  Result<std::vector<TokenId>> encode(const text::RenderedPrompt& prompt) const override;
  Result<std::vector<TokenId>> encode_chat(const text::ChatQuestion& question) const override;
  std::string decode(std::span<const TokenId> ids, bool skip_special) const override;
  std::string_view token_bytes(TokenId id) const override;

 private:
  LoadedModel(text::Tokenizer tokenizer, std::optional<text::ChatPrompt> chat,
              api::ModelFacts facts);
  Result<void> check_ids(std::span<const TokenId> ids) const;

  text::Tokenizer tokenizer_;
  std::optional<text::ChatPrompt> chat_;
  api::ModelFacts facts_;
};

// The name that a folder gives to its model.
std::string name_of(const std::filesystem::path& directory);

// What generation_config.json proposes where a request says nothing.
SamplingParams default_sampling(const checkpoint::SamplingDefaults& defaults);

}  // namespace baton::server
