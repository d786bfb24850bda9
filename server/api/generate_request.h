// GenerateRequest: the body of a chat or a text completion, checked field by field.
//
// Every field of the API is implemented, accepted and ignored, or refused with its name; unknown
// fields are ignored, because clients send some that no server knows. null is the same as absent.
// What needs the tokenizer (prompt length, room for the answer) is checked by prepare().
// Thread safety: values and pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/request.h"
#include "server/api/error.h"
#include "server/api/text_model.h"

namespace baton::server::api {

struct ApiLimits {
  uint32_t choices_max = 8;   // n
  uint32_t prompts_max = 64;  // of one text completion
  uint32_t messages_max = 2048;
  uint32_t stop_strings_max = 16;
  uint32_t stop_string_bytes_max = 256;
  uint32_t stop_tokens_max = 64;
  uint32_t logit_bias_max = 1024;
  uint32_t top_logprobs_max = 20;
  size_t json_depth_max = 32;
  size_t json_values_max = 250'000;
};

using PromptForm = std::variant<std::string, std::vector<TokenId>>;

struct GenerateRequest {
  bool chat = false;
  std::string model;                // as asked for; empty: the only one
  nlohmann::json messages;          // chat
  nlohmann::json template_kwargs;   // chat: whitelisted
  std::vector<PromptForm> prompts;  // text completion
  bool add_special_tokens = true;   // text completion
  uint32_t choices = 1;
  std::optional<uint32_t> max_tokens;
  std::optional<uint64_t> seed;
  SamplingParams sampling;
  StopParams stop;
  ReportParams report;
  int32_t priority = 0;
  bool stream = false;
  bool include_usage = false;
  bool echo = false;
  bool return_token_ids = false;
  bool tokens_as_ids = false;  // "token_id:17" instead of text in log-probabilities
  bool explain = false;
};

ApiResult<GenerateRequest> parse_chat(const nlohmann::json& body, const ModelFacts& model,
                                      const ApiLimits& limits);
ApiResult<GenerateRequest> parse_completion(const nlohmann::json& body, const ModelFacts& model,
                                            const ApiLimits& limits);

// A body as an object, within the limits on JSON.
ApiResult<nlohmann::json> parse_body(std::string_view body, const ApiLimits& limits);

// A request's "model" is served here, or empty.
ApiResult<void> check_model(const std::string& asked, const ModelFacts& model);

// The messages of a chat or of /tokenize: roles and contents as the template expects them.
ApiResult<void> check_messages(const nlohmann::json& messages, const ApiLimits& limits);

}  // namespace baton::server::api
