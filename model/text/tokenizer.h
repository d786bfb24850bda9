// Tokenizer: text to token ids and back, exactly as the model's own tokenizer does it.
//
// It reads `tokenizer.json` (byte-level BPE, and BPE with byte fallback) or `tiktoken.model` with
// the split pattern of Kimi and Moonlight, plus `tokenizer_config.json`. encode never adds a
// begin-of-sentence token by itself. Cost: O(n log n) in the length of the text, whatever it says.
// Text that is no UTF-8 is encoded byte by byte. Special tokens are the added tokens marked so;
// an id without a token has no bytes. Thread safety: const after load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token.h"
#include "model/text/prompt.h"

namespace baton::text {

namespace bpe {
struct Model;
}

// What text that spells an added token means.
enum class SpecialText : uint8_t {
  as_token,  // it is that token, as the reference tokenizer reads it
  as_text,   // it is text like any other
};

class Tokenizer {
 public:
  static constexpr size_t text_bytes_max = size_t{1} << 30;

  static Result<Tokenizer> load(const std::filesystem::path& model_dir);
  // From the parsed `tokenizer.json` and `tokenizer_config.json` (may be an empty object).
  static Result<Tokenizer> from_json(const nlohmann::json& tokenizer, const nlohmann::json& config);
  // From the text of a `tiktoken.model` and the parsed `tokenizer_config.json`.
  static Result<Tokenizer> from_tiktoken(std::string_view ranks, const nlohmann::json& config);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Fails only if the text is longer than text_bytes_max or the pattern library gives up.
  Result<std::vector<TokenId>> encode(std::string_view text, SpecialText how) const;
  // As the whole text, but an added token is found only where all of it lies in trusted text.
  Result<std::vector<TokenId>> encode(const RenderedPrompt& prompt) const;

  // Bytes that are no UTF-8 become U+FFFD, one per maximal bad sequence.
  std::string decode(std::span<const TokenId> ids, bool skip_special) const;

  size_t vocab_size() const;                       // the highest id that has a token, plus one
  std::string_view token_bytes(TokenId id) const;  // raw bytes; empty for an id without a token
  bool is_special(TokenId id) const;               // left out when special tokens are skipped
  bool is_added(TokenId id) const;                 // an added token, special or not
  std::optional<TokenId> find_token(std::string_view content) const;  // "<think>", "hello"
  std::optional<TokenId> bos() const;
  std::optional<TokenId> eos() const;
  bool adds_bos() const;  // the model wants bos() before plain text (not before a chat prompt)

 private:
  explicit Tokenizer(std::unique_ptr<const bpe::Model> model);

  std::unique_ptr<const bpe::Model> model_;
};

}  // namespace baton::text
