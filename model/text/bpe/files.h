// Reads the tokenizer files of a model folder into a Model.
//
// What a file asks for and this tokenizer can't do (another algorithm, a normalizer, an unknown
// pre-tokenizer or decoder) is refused with one sentence, never ignored. Thread safety: pure
// functions, but for load_model, which reads files.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/text/bpe/model.h"

namespace baton::text::bpe {

inline constexpr size_t tokenizer_file_bytes_max = 256u << 20;

// tokenizer.json, else tiktoken.model; tokenizer_config.json if it is there.
Result<Model> load_model(const std::filesystem::path& model_dir);

Result<Model> read_tokenizer_json(const nlohmann::json& tokenizer, const nlohmann::json& config);
Result<Model> read_tiktoken(std::string_view ranks, const nlohmann::json& config);

// What tokenizer_config.json adds to either: bos, eos, add_bos_token.
Result<void> apply_config(const nlohmann::json& config, Model& model);

// The text of a token in tokenizer_config.json: a string, or an object with `content`; else empty.
std::string token_content(const nlohmann::json& config, const char* name);

// A whole regular file of at most `bytes_max` bytes; not_found if there is none.
Result<std::string> read_file(const std::filesystem::path& path, size_t bytes_max);
Result<nlohmann::json> read_json_file(const std::filesystem::path& path, size_t bytes_max);

}  // namespace baton::text::bpe
