// GenerateRequest: what a client asks for, whatever dialect it was said in, checked field by field.
//
// Every field of the APIs is implemented, accepted and ignored, or refused with its name. Unknown
// fields are ignored and counted, because clients send some that no server knows, or are refused if
// the operator wants that. null is the same as absent. What needs the tokenizer (prompt length,
// room for the answer) is checked by prepare(). Thread safety: values and pure functions.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/request.h"
#include "server/api/error.h"
#include "server/api/request/constraint_spec.h"
#include "server/api/text_model.h"

namespace baton::server::api {

struct ApiLimits {
  uint32_t choices_max = 8;   // n
  uint32_t prompts_max = 64;  // of one text completion
  uint32_t messages_max = 2048;
  uint32_t tools_max = 128;
  uint32_t stop_strings_max = 16;
  uint32_t stop_string_bytes_max = 256;
  uint32_t stop_tokens_max = 64;
  uint32_t bad_words_max = 64;
  uint32_t bad_word_bytes_max = 128;
  uint32_t logit_bias_max = 1024;
  uint32_t top_logprobs_max = 20;
  uint32_t cache_salt_bytes_max = 1024;
  bool strict_fields = false;  // refuse fields that nobody knows
  size_t json_depth_max = 32;
  size_t json_values_max = 250'000;
};

// In whose words a request came and its answer goes.
enum class Dialect : uint8_t {
  chat,       // OpenAI's /v1/chat/completions
  text,       // OpenAI's /v1/completions
  responses,  // OpenAI's /v1/responses
  messages,   // Anthropic's /v1/messages
};

struct ToolChoice {
  enum class Kind : uint8_t { none, automatic, required, named };
  Kind kind = Kind::none;
  std::string name;
};

using PromptForm = std::variant<std::string, std::vector<TokenId>>;

struct GenerateRequest {
  Dialect dialect = Dialect::text;
  std::string model;  // as asked for; empty: the only one

  // A conversation, in the form of OpenAI's chat (prompt/messages.h).
  Json messages;
  Json tools;  // OpenAI's chat form; null: none
  ToolChoice tool_choice;
  bool parallel_tool_calls = true;
  Json template_kwargs = Json::object();           // whitelisted
  bool go_on = false;                              // the last message isn't finished
  std::optional<std::vector<TokenId>> prompt_ids;  // rendered by the client
  bool separate_reasoning = true;                  // reasoning is told apart from content
  bool include_reasoning = true;                   // and told at all

  // A text completion.
  std::vector<PromptForm> prompts;
  std::optional<std::string> suffix;  // fill in between
  bool add_special_tokens = true;

  uint32_t choices = 1;
  std::optional<uint32_t> max_tokens;
  std::optional<uint64_t> seed;
  std::optional<uint32_t> truncate_prompt;  // keep the last tokens of a longer prompt
  bool truncate_to_room = false;            // as many as leave room for the answer
  SamplingParams sampling;
  std::vector<std::string> bad_words;
  StopParams stop;
  ReportParams report;
  std::optional<uint32_t> reasoning_max;
  std::optional<ConstraintSpec> constraint;
  int32_t priority = 0;
  std::string cache_salt;

  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;  // in each event
  bool echo = false;
  bool show_prompt_logprobs = false;
  bool return_token_ids = false;
  bool tokens_as_ids = false;  // "token_id:17" instead of text in log-probabilities
  bool explain = false;
  std::string service_tier;          // told back if set
  std::string request_id;            // of the answer; empty: one is drawn
  std::vector<std::string> unknown;  // the paths of fields that nobody knows
  bool store = true;                 // of /v1/responses: its items may be referred to
  Json repeated = Json::object();    // of /v1/responses: what the answer says again

  bool is_chat() const { return dialect != Dialect::text; }
  bool tools_active() const { return tool_choice.kind != ToolChoice::Kind::none; }
};

ApiResult<GenerateRequest> parse_chat(const Json& body, const ModelFacts& model,
                                      const ApiLimits& limits);
ApiResult<GenerateRequest> parse_completion(const Json& body, const ModelFacts& model,
                                            const ApiLimits& limits);

// A body as an object, within the limits on JSON.
ApiResult<Json> parse_body(std::string_view body, const ApiLimits& limits);

// A request's "model" is served here, or empty.
ApiResult<void> check_model(const std::string& asked, const ModelFacts& model);

}  // namespace baton::server::api
