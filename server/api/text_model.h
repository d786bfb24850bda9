// TextModel: what the API must know of the served model: its name, its limits, and how text becomes
// tokens. The real one reads a model folder; tests have one of a few lines.
// Thread safety: const; render and encode run on worker threads too.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token.h"
#include "proto/request.h"

namespace baton::server::api {

struct ModelFacts {
  std::string name;            // as served
  std::string root;            // what it was loaded from
  int64_t created = 0;         // unix seconds
  uint32_t vocab_size = 0;     // rows of the head: the ids that can be sampled
  uint32_t max_model_len = 0;  // tokens of prompt and answer together
  SamplingParams sampling;     // where a request says nothing: generation_config.json's
  std::string fingerprint;     // short, for system_fingerprint; may be empty
};

class TextModel {
 public:
  virtual ~TextModel() = default;
  virtual const ModelFacts& facts() const = 0;

  // Text that spells a special token is that token. add_special: also the model's own beginning.
  virtual Result<std::vector<TokenId>> encode(std::string_view text, bool add_special) const = 0;
  // A conversation, by the model's own template. Message text never becomes a special token.
  virtual Result<std::vector<TokenId>> encode_chat(const nlohmann::json& messages,
                                                   const nlohmann::json& kwargs) const = 0;
  virtual std::string decode(std::span<const TokenId> ids, bool skip_special) const = 0;
  virtual std::string_view token_bytes(TokenId id) const = 0;
};

}  // namespace baton::server::api
