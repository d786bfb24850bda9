// TextModel: what the API must know of the served model: its name, its limits, its special tokens,
// and how text becomes tokens. The real one reads a model folder; tests have one of a few lines.
// Thread safety: const; rendering and encoding run on worker threads too.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token.h"
#include "model/text/chat/chat_prompt.h"
#include "proto/request.h"

namespace baton::server::api {

// Requests keep the order of their keys: templates print tools as they came.
using Json = nlohmann::ordered_json;

// The tokens that structure a DeepSeek answer, as far as this tokenizer has them.
struct SpecialTokens {
  std::optional<TokenId> think_begin, think_end;
  std::optional<TokenId> tool_calls_begin, tool_calls_end;
  std::optional<TokenId> tool_call_begin, tool_call_end, tool_sep;
  std::optional<TokenId> fim_begin, fim_hole, fim_end;

  bool can_think() const { return think_begin && think_end; }
  bool can_call() const {
    return tool_calls_begin && tool_calls_end && tool_call_begin && tool_call_end && tool_sep;
  }
  bool can_fill() const { return fim_begin && fim_hole && fim_end; }
};

struct ModelFacts {
  std::string name;                  // as served
  std::vector<std::string> aliases;  // other names that requests may call it by
  std::string root;                  // what it was loaded from
  int64_t created = 0;               // unix seconds
  uint32_t vocab_size = 0;           // rows of the head: the ids that can be sampled
  uint32_t max_model_len = 0;        // tokens of prompt and answer together
  SamplingParams sampling;           // where a request says nothing: generation_config.json's
  SpecialTokens special;
  text::ToolStyle tool_style = text::ToolStyle::v31;
  bool deepseek_temperature = false;  // map temperatures as DeepSeek's own API does

  bool is_called(std::string_view asked) const {
    return asked == name || std::ranges::find(aliases, asked) != aliases.end();
  }
};

class TextModel {
 public:
  virtual ~TextModel() = default;
  virtual const ModelFacts& facts() const = 0;

  // Text that spells a special token is that token. add_special: also the model's own beginning.
  virtual Result<std::vector<TokenId>> encode(std::string_view text, bool add_special) const = 0;
  // Untrusted text inside stays text.
  virtual Result<std::vector<TokenId>> encode(const text::RenderedPrompt& prompt) const = 0;
  // A conversation, by the model's own template. Message text never becomes a special token.
  virtual Result<std::vector<TokenId>> encode_chat(const text::ChatQuestion& question) const = 0;
  virtual std::string decode(std::span<const TokenId> ids, bool skip_special) const = 0;
  virtual std::string_view token_bytes(TokenId id) const = 0;
};

}  // namespace baton::server::api
