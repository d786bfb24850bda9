// The public messages: bytes in and out, and between the domain's types and the wire's.
#include "proto/codec.h"
#include "proto/codec_internal.h"

namespace baton::rpc {

namespace {

void encode_message(const ChatMessage& from, v1::ChatMessage* to) {
  to->set_role(utf8(from.role));
  to->set_content(utf8(from.content));
  to->set_reasoning(utf8(from.reasoning));
  for (const auto& call : from.tool_calls) {
    auto* entry = to->add_tool_calls();
    entry->set_id(utf8(call.id));
    entry->set_name(utf8(call.name));
    entry->set_arguments(utf8(call.arguments));
  }
  to->set_tool_call_id(utf8(from.tool_call_id));
}

template <class Repeated>
std::vector<ChatMessage> decode_messages(const Repeated& from) {
  std::vector<ChatMessage> to;
  for (const auto& message : from) {
    ChatMessage& entry = to.emplace_back();
    entry.role = message.role();
    entry.content = message.content();
    entry.reasoning = message.reasoning();
    for (const auto& call : message.tool_calls()) {
      entry.tool_calls.push_back(
          {.id = call.id(), .name = call.name(), .arguments = call.arguments()});
    }
    entry.tool_call_id = message.tool_call_id();
  }
  return to;
}

void encode_chat(const std::vector<ChatMessage>& from, v1::Chat* to) {
  for (const auto& message : from) encode_message(message, to->add_messages());
}

void encode_prompt(const PromptInput& from, v1::GenerateRequest* to) {
  if (const auto* text = std::get_if<std::string>(&from)) {
    to->set_text(utf8(*text));
  } else if (const auto* tokens = std::get_if<std::vector<TokenId>>(&from)) {
    encode_tokens(*tokens, to->mutable_tokens()->mutable_ids());
  } else {
    encode_chat(std::get<std::vector<ChatMessage>>(from), to->mutable_chat());
  }
}

PromptInput decode_prompt(const v1::GenerateRequest& from, Fault& fault) {
  switch (from.prompt_case()) {
    case v1::GenerateRequest::kText:
      return from.text();
    case v1::GenerateRequest::kTokens:
      return fault.tokens(from.tokens().ids(), "tokens");
    case v1::GenerateRequest::kChat:
      return decode_messages(from.chat().messages());
    case v1::GenerateRequest::PROMPT_NOT_SET:
      break;
  }
  fault.note("prompt", "is missing: give text, tokens or a chat");
  return {};
}

void encode_sampling(const SamplingParams& from, const SamplingGiven& given,
                     v1::SamplingParams* to) {
  encode(from, to);
  if (!given.temperature) to->clear_temperature();
  if (!given.top_p) to->clear_top_p();
  if (!given.top_k) to->clear_top_k();
  if (!given.min_p) to->clear_min_p();
  if (!given.presence_penalty) to->clear_presence_penalty();
  if (!given.frequency_penalty) to->clear_frequency_penalty();
  if (!given.repetition_penalty) to->clear_repetition_penalty();
  if (!given.seed) to->clear_seed();
}

SamplingGiven given_in(const v1::SamplingParams& from) {
  return {.temperature = from.has_temperature(),
          .top_p = from.has_top_p(),
          .top_k = from.has_top_k(),
          .min_p = from.has_min_p(),
          .presence_penalty = from.has_presence_penalty(),
          .frequency_penalty = from.has_frequency_penalty(),
          .repetition_penalty = from.has_repetition_penalty(),
          .seed = from.has_seed()};
}

// What a GenerateRequest and a ChatRequest have in common.
template <class Wire>
void encode_params(const GenerateCall& from, Wire* to) {
  to->set_model(utf8(from.model));
  to->set_choices(from.choices);
  encode_sampling(from.sampling, from.given, to->mutable_sampling());
  encode(from.stop, to->mutable_stop());
  if (!from.max_tokens_given) to->mutable_stop()->clear_max_tokens();
  encode(from.report, to->mutable_report());
  to->set_priority(from.priority);
  to->set_request_id(utf8(from.request_id));
}

template <class Wire>
void decode_params(const Wire& from, GenerateCall& to, Fault& fault) {
  to.model = from.model();
  to.choices = from.choices() == 0 ? 1 : from.choices();
  to.sampling = decode(from.sampling(), fault);
  to.given = given_in(from.sampling());
  to.stop = decode(from.stop(), fault);
  to.max_tokens_given = from.stop().has_max_tokens();
  to.report = decode(from.report());
  to.priority = from.priority();
  to.request_id = from.request_id();
}

void encode_usage(const Usage& from, v1::Usage* to) {
  to->set_prompt_tokens(from.prompt_tokens);
  to->set_completion_tokens(from.completion_tokens);
  to->set_cached_tokens(from.cached_tokens);
  to->set_reasoning_tokens(from.reasoning_tokens);
}

Usage decode_usage(const v1::Usage& from) {
  return {.prompt_tokens = from.prompt_tokens(),
          .completion_tokens = from.completion_tokens(),
          .cached_tokens = from.cached_tokens(),
          .reasoning_tokens = from.reasoning_tokens()};
}

void encode_delta(const ChatDelta& from, v1::ChatDelta* to) {
  to->set_choice(from.choice);
  to->set_reasoning(utf8(from.reasoning));
  to->set_content(utf8(from.content));
  for (const auto& call : from.tool_calls) {
    auto* entry = to->add_tool_calls();
    entry->set_index(call.index);
    entry->set_id(utf8(call.id));
    entry->set_name(utf8(call.name));
    entry->set_arguments(utf8(call.arguments));
  }
  for (const auto& score : from.scores) {
    auto* entry = to->add_scores();
    entry->set_token(score.token);
    entry->set_logprob(score.logprob);
    for (const auto& top : score.top) {
      entry->add_top()->set_token(top.token);
      entry->mutable_top()->rbegin()->set_logprob(top.logprob);
    }
  }
  to->set_finish(static_cast<v1::ChatFinish>(from.finish));
}

ChatDelta decode_delta(const v1::ChatDelta& from, Fault& fault) {
  ChatDelta to{.choice = from.choice(), .reasoning = from.reasoning(), .content = from.content()};
  for (const auto& call : from.tool_calls()) {
    to.tool_calls.push_back({.index = call.index(),
                             .id = call.id(),
                             .name = call.name(),
                             .arguments = call.arguments()});
  }
  for (const auto& score : from.scores()) {
    ScoredToken& entry = to.scores.emplace_back();
    entry.token = fault.token(score.token(), "scores");
    entry.logprob = fault.finite(score.logprob(), "scores");
    for (const auto& top : score.top()) {
      entry.top.push_back({fault.token(top.token(), "top"), fault.finite(top.logprob(), "top")});
    }
  }
  if (!v1::ChatFinish_IsValid(from.finish())) fault.note("finish", "is unknown");
  to.finish = static_cast<ChatFinish>(from.finish());
  return to;
}

}  // namespace

static_assert(int{v1::CHAT_FINISH_TOOL_CALLS} == static_cast<int>(ChatFinish::tool_calls));
static_assert(int{v1::TOOL_MODE_REQUIRED} == static_cast<int>(ToolMode::required));

void encode(const GenerateCall& from, v1::GenerateRequest* to) {
  encode_params(from, to);
  encode_prompt(from.prompt, to);
}

Result<GenerateCall> decode(const v1::GenerateRequest& from) {
  Fault fault;
  GenerateCall to;
  to.prompt = decode_prompt(from, fault);
  decode_params(from, to, fault);
  if (fault.found()) return fault.error(ErrorCode::invalid_argument);
  return to;
}

void encode(const GenerateEvent& from, v1::GenerateResponse* to) {
  if (const auto* token = std::get_if<TokenEvent>(&from)) {
    encode(*token, to->mutable_token());
  } else {
    encode_usage(std::get<Usage>(from), to->mutable_usage());
  }
}

Result<GenerateEvent> decode(const v1::GenerateResponse& from) {
  Fault fault;
  switch (from.event_case()) {
    case v1::GenerateResponse::kToken:
      return checked<GenerateEvent>(decode(from.token(), fault), fault);
    case v1::GenerateResponse::kUsage:
      return GenerateEvent(decode_usage(from.usage()));
    case v1::GenerateResponse::EVENT_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "An event of an answer is of an unknown kind.");
}

void encode(const ChatCall& from, v1::ChatRequest* to) {
  encode_params(from.turn, to);
  if (const auto* messages = std::get_if<std::vector<ChatMessage>>(&from.turn.prompt)) {
    for (const auto& message : *messages) encode_message(message, to->add_messages());
  }
  for (const auto& tool : from.tools) {
    auto* entry = to->add_tools();
    entry->set_name(utf8(tool.name));
    entry->set_description(utf8(tool.description));
    entry->set_parameters(utf8(tool.parameters));
  }
  if (!from.tool_name.empty()) {
    to->set_tool_name(utf8(from.tool_name));
  } else if (from.tool_mode != ToolMode::unspecified) {
    to->set_tool_mode(static_cast<v1::ToolMode>(from.tool_mode));
  }
  if (from.parallel_tool_calls) to->set_parallel_tool_calls(*from.parallel_tool_calls);
  if (from.thinking) to->set_thinking(*from.thinking);
  to->set_go_on(from.go_on);
}

Result<ChatCall> decode(const v1::ChatRequest& from) {
  Fault fault;
  ChatCall to;
  to.turn.prompt = decode_messages(from.messages());
  decode_params(from, to.turn, fault);
  for (const auto& tool : from.tools()) {
    to.tools.push_back(
        {.name = tool.name(), .description = tool.description(), .parameters = tool.parameters()});
  }
  if (!v1::ToolMode_IsValid(from.tool_mode())) {
    fault.note("tool_choice", "is unknown");
  } else {
    to.tool_mode = static_cast<ToolMode>(from.tool_mode());
  }
  to.tool_name = from.tool_name();
  if (from.has_parallel_tool_calls()) to.parallel_tool_calls = from.parallel_tool_calls();
  if (from.has_thinking()) to.thinking = from.thinking();
  to.go_on = from.go_on();
  if (fault.found()) return fault.error(ErrorCode::invalid_argument);
  return to;
}

void encode(const ChatEvent& from, v1::ChatResponse* to) {
  if (const auto* delta = std::get_if<ChatDelta>(&from)) {
    encode_delta(*delta, to->mutable_delta());
  } else {
    encode_usage(std::get<Usage>(from), to->mutable_usage());
  }
}

Result<ChatEvent> decode(const v1::ChatResponse& from) {
  Fault fault;
  switch (from.event_case()) {
    case v1::ChatResponse::kDelta:
      return checked<ChatEvent>(decode_delta(from.delta(), fault), fault);
    case v1::ChatResponse::kUsage:
      return ChatEvent(decode_usage(from.usage()));
    case v1::ChatResponse::EVENT_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "An event of an answer is of an unknown kind.");
}

void encode(const TokenizeCall& from, v1::TokenizeRequest* to) {
  to->set_model(utf8(from.model));
  if (const auto* text = std::get_if<std::string>(&from.input)) {
    to->set_text(utf8(*text));
  } else {
    encode_chat(std::get<std::vector<ChatMessage>>(from.input), to->mutable_chat());
  }
  to->set_add_special_tokens(from.add_special_tokens);
}

Result<TokenizeCall> decode(const v1::TokenizeRequest& from) {
  TokenizeCall to;
  to.model = from.model();
  to.add_special_tokens = !from.has_add_special_tokens() || from.add_special_tokens();
  switch (from.input_case()) {
    case v1::TokenizeRequest::kText:
      to.input = from.text();
      return to;
    case v1::TokenizeRequest::kChat:
      to.input = decode_messages(from.chat().messages());
      return to;
    case v1::TokenizeRequest::INPUT_NOT_SET:
      break;
  }
  Fault fault;
  fault.note("input", "is missing: give text or a chat");
  return fault.error(ErrorCode::invalid_argument);
}

void encode(const TokenizeAnswer& from, v1::TokenizeResponse* to) {
  encode_tokens(from.tokens, to->mutable_tokens()->mutable_ids());
  to->set_context_tokens(from.context_tokens);
}

Result<TokenizeAnswer> decode(const v1::TokenizeResponse& from) {
  Fault fault;
  TokenizeAnswer to;
  to.tokens = fault.tokens(from.tokens().ids(), "tokens");
  to.context_tokens = from.context_tokens();
  return checked(std::move(to), fault);
}

void encode(const DetokenizeCall& from, v1::DetokenizeRequest* to) {
  to->set_model(utf8(from.model));
  encode_tokens(from.tokens, to->mutable_tokens()->mutable_ids());
}

Result<DetokenizeCall> decode(const v1::DetokenizeRequest& from) {
  Fault fault;
  DetokenizeCall to;
  to.model = from.model();
  to.tokens = fault.tokens(from.tokens().ids(), "tokens");
  if (fault.found()) return fault.error(ErrorCode::invalid_argument);
  return to;
}

void encode(const std::vector<ModelInfo>& from, v1::ModelsResponse* to) {
  for (const auto& model : from) {
    auto* entry = to->add_models();
    entry->set_name(utf8(model.name));
    entry->set_fingerprint(utf8(model.fingerprint));
    entry->set_numeric_mode(utf8(model.numeric_mode));
    entry->set_context_tokens(model.context_tokens);
  }
}

Result<std::vector<ModelInfo>> decode(const v1::ModelsResponse& from) {
  std::vector<ModelInfo> to;
  for (const auto& model : from.models()) {
    to.push_back({.name = model.name(),
                  .fingerprint = model.fingerprint(),
                  .numeric_mode = model.numeric_mode(),
                  .context_tokens = model.context_tokens()});
  }
  return to;
}

std::string serialize(const GenerateCall& message) {
  return to_bytes<v1::GenerateRequest>(message);
}
std::string serialize(const GenerateEvent& message) {
  return to_bytes<v1::GenerateResponse>(message);
}
std::string serialize(const ChatCall& message) { return to_bytes<v1::ChatRequest>(message); }
std::string serialize(const ChatEvent& message) { return to_bytes<v1::ChatResponse>(message); }
std::string serialize(const TokenizeCall& message) {
  return to_bytes<v1::TokenizeRequest>(message);
}
std::string serialize(const TokenizeAnswer& message) {
  return to_bytes<v1::TokenizeResponse>(message);
}
std::string serialize(const DetokenizeCall& message) {
  return to_bytes<v1::DetokenizeRequest>(message);
}
std::string serialize(const std::vector<ModelInfo>& message) {
  return to_bytes<v1::ModelsResponse>(message);
}

template <>
Result<GenerateCall> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::GenerateRequest>(bytes);
}
template <>
Result<GenerateEvent> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::GenerateResponse>(bytes);
}
template <>
Result<ChatCall> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ChatRequest>(bytes);
}
template <>
Result<ChatEvent> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ChatResponse>(bytes);
}
template <>
Result<TokenizeCall> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::TokenizeRequest>(bytes);
}
template <>
Result<TokenizeAnswer> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::TokenizeResponse>(bytes);
}
template <>
Result<DetokenizeCall> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::DetokenizeRequest>(bytes);
}
template <>
Result<std::vector<ModelInfo>> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ModelsResponse>(bytes);
}

}  // namespace baton::rpc
