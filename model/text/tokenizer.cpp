#include "model/text/tokenizer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "model/text/bpe/files.h"
#include "model/text/bpe/model.h"
#include "model/text/utf8.h"

namespace baton::text {
namespace {

Result<std::vector<TokenId>> encode_with(const bpe::Model& model, std::string_view text,
                                         const std::vector<bpe::TrustedRange>& trusted) {
  if (text.size() > Tokenizer::text_bytes_max) {
    return fail(ErrorCode::invalid_argument, "the text has {} bytes; at most {} can be tokenized",
                text.size(), Tokenizer::text_bytes_max);
  }
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 4 + 8);
  for (const auto& stretch : model.added.split(text, trusted)) {
    if (stretch.token) {
      ids.push_back(stretch.token->id);
    } else {
      BATON_CHECKED(
          model.encode_plain(text.substr(stretch.begin, stretch.end - stretch.begin), ids));
    }
  }
  return ids;
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const bpe::Model> model) : model_(std::move(model)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& model_dir) {
  BATON_TRY(model, bpe::load_model(model_dir));
  return Tokenizer(std::make_unique<const bpe::Model>(std::move(model)));
}

Result<Tokenizer> Tokenizer::from_json(const nlohmann::json& tokenizer,
                                       const nlohmann::json& config) {
  BATON_TRY(model, bpe::read_tokenizer_json(tokenizer, config));
  return Tokenizer(std::make_unique<const bpe::Model>(std::move(model)));
}

Result<Tokenizer> Tokenizer::from_tiktoken(std::string_view ranks, const nlohmann::json& config) {
  BATON_TRY(model, bpe::read_tiktoken(ranks, config));
  return Tokenizer(std::make_unique<const bpe::Model>(std::move(model)));
}

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text, SpecialText how) const {
  std::vector<bpe::TrustedRange> trusted;
  if (how == SpecialText::as_token) trusted.push_back({0, text.size()});
  return encode_with(*model_, text, trusted);
}

Result<std::vector<TokenId>> Tokenizer::encode(const RenderedPrompt& prompt) const {
  std::string text;
  std::vector<bpe::TrustedRange> trusted;
  for (const auto& segment : prompt.segments) {
    const size_t begin = text.size();
    text += segment.text;
    if (!segment.trusted || segment.text.empty()) continue;
    if (!trusted.empty() && trusted.back().end == begin) {
      trusted.back().end = text.size();
    } else {
      trusted.push_back({begin, text.size()});
    }
  }
  return encode_with(*model_, text, trusted);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special) const {
  std::string bytes;
  for (const TokenId id : ids) {
    if (!skip_special || !is_special(id)) bytes += token_bytes(id);
  }
  return to_valid_utf8(bytes);
}

size_t Tokenizer::vocab_size() const { return model_->vocabulary.size(); }
std::string_view Tokenizer::token_bytes(TokenId id) const { return model_->vocabulary.bytes(id); }
bool Tokenizer::is_special(TokenId id) const {
  return id < model_->is_special.size() && model_->is_special[id];
}
bool Tokenizer::is_added(TokenId id) const {
  return id < model_->is_added.size() && model_->is_added[id];
}
std::optional<TokenId> Tokenizer::find_token(std::string_view content) const {
  return model_->find_token(content);
}
std::optional<TokenId> Tokenizer::bos() const { return model_->bos; }
std::optional<TokenId> Tokenizer::eos() const { return model_->eos; }
bool Tokenizer::adds_bos() const { return model_->adds_bos; }

}  // namespace baton::text
