#include "model/text/bpe/files.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

namespace baton::text::bpe {

using nlohmann::json;

Result<std::string> read_file(const std::filesystem::path& path, size_t bytes_max) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return fail(ErrorCode::not_found, "{} does not exist", path.string());
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error || !std::filesystem::is_regular_file(path, error)) {
    return fail(ErrorCode::invalid_argument, "{} is not a regular file", path.string());
  }
  if (size > bytes_max) {
    return fail(ErrorCode::unsupported, "{} has {} bytes; at most {} are supported", path.string(),
                size, bytes_max);
  }
  std::string text(size, '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), static_cast<std::streamsize>(size))) {
    return fail(ErrorCode::unavailable, "{} can't be read", path.string());
  }
  return text;
}

Result<json> read_json_file(const std::filesystem::path& path, size_t bytes_max) {
  BATON_TRY(text, read_file(path, bytes_max));
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded() || !value.is_object()) {
    return fail(ErrorCode::corrupt, "{} is not a JSON object", path.string());
  }
  return Result<json>(boost::system::in_place_value, std::move(value));
}

std::string token_content(const json& config, const char* name) {
  const auto found = config.is_object() ? config.find(name) : config.end();
  if (found == config.end()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_object()) return {};
  const auto content = found->find("content");
  return content != found->end() && content->is_string() ? content->get<std::string>()
                                                         : std::string();
}

Result<void> apply_config(const json& config, Model& model) {
  const auto token = [&](const char* name) -> Result<std::optional<TokenId>> {
    const auto content = token_content(config, name);
    if (content.empty()) return std::optional<TokenId>();
    const auto id = model.find_token(content);
    if (!id) {
      return fail(ErrorCode::corrupt, "tokenizer_config.json: the {} {} is no token", name,
                  content);
    }
    return id;
  };
  BATON_TRY(bos, token("bos_token"));
  BATON_TRY(eos, token("eos_token"));
  model.bos = bos;
  model.eos = eos;
  if (config.is_object()) {
    const auto found = config.find("add_bos_token");
    if (found != config.end() && found->is_boolean()) model.adds_bos = found->get<bool>();
  }
  model.adds_bos = model.adds_bos && model.bos;
  return {};
}

Result<Model> load_model(const std::filesystem::path& model_dir) {
  json config = json::object();
  if (std::filesystem::exists(model_dir / "tokenizer_config.json")) {
    BATON_TRY(read, read_json_file(model_dir / "tokenizer_config.json", tokenizer_file_bytes_max));
    config = std::move(read);
  }
  if (std::filesystem::exists(model_dir / "tokenizer.json")) {
    BATON_TRY(tokenizer, read_json_file(model_dir / "tokenizer.json", tokenizer_file_bytes_max));
    return read_tokenizer_json(tokenizer, config);
  }
  if (std::filesystem::exists(model_dir / "tiktoken.model")) {
    BATON_TRY(ranks, read_file(model_dir / "tiktoken.model", tokenizer_file_bytes_max));
    return read_tiktoken(ranks, config);
  }
  return fail(ErrorCode::not_found, "{} has neither tokenizer.json nor tiktoken.model",
              model_dir.string());
}

}  // namespace baton::text::bpe
