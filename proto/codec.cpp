// Bytes in and out, and the public messages.
#include "proto/codec.h"

#include "proto/codec_internal.h"

namespace baton::rpc {

namespace {

template <class Wire, class Message>
std::string to_bytes(const Message& message) {
  Wire wire;
  encode(message, &wire);
  return wire.SerializeAsString();
}

template <class Wire>
auto from_bytes(std::span<const std::byte> bytes) -> decltype(decode(std::declval<Wire>())) {
  Wire wire;
  if (!wire.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(ErrorCode::corrupt, "The bytes are no {}.", wire.GetTypeName());
  return decode(wire);
}

void encode_prompt(const PromptInput& from, v1::GenerateRequest* to) {
  if (const auto* text = std::get_if<std::string>(&from)) {
    to->set_text(utf8(*text));
  } else if (const auto* tokens = std::get_if<std::vector<TokenId>>(&from)) {
    encode_tokens(*tokens, to->mutable_tokens()->mutable_ids());
  } else {
    to->mutable_chat();
    for (const auto& message : std::get<std::vector<ChatMessage>>(from)) {
      auto* entry = to->mutable_chat()->add_messages();
      entry->set_role(utf8(message.role));
      entry->set_content(utf8(message.content));
    }
  }
}

PromptInput decode_prompt(const v1::GenerateRequest& from, Fault& fault) {
  switch (from.prompt_case()) {
    case v1::GenerateRequest::kText:
      return from.text();
    case v1::GenerateRequest::kTokens:
      return fault.tokens(from.tokens().ids(), "tokens");
    case v1::GenerateRequest::kChat: {
      std::vector<ChatMessage> messages;
      for (const auto& message : from.chat().messages())
        messages.push_back({.role = message.role(), .content = message.content()});
      return messages;
    }
    case v1::GenerateRequest::PROMPT_NOT_SET:
      break;
  }
  fault.note("prompt", "is missing: give text, tokens or a chat");
  return {};
}

}  // namespace

void encode(const GenerateCall& from, v1::GenerateRequest* to) {
  to->set_model(utf8(from.model));
  encode_prompt(from.prompt, to);
  to->set_choices(from.choices);
  encode(from.sampling, to->mutable_sampling());
  if (!from.seed_given) to->mutable_sampling()->clear_seed();
  encode(from.stop, to->mutable_stop());
  if (!from.max_tokens_given) to->mutable_stop()->clear_max_tokens();
  encode(from.report, to->mutable_report());
  to->set_priority(from.priority);
  to->set_request_id(utf8(from.request_id));
}

Result<GenerateCall> decode(const v1::GenerateRequest& from) {
  Fault fault;
  GenerateCall to;
  to.model = from.model();
  to.prompt = decode_prompt(from, fault);
  to.choices = from.choices() == 0 ? 1 : from.choices();
  to.sampling = decode(from.sampling(), fault);
  to.seed_given = from.sampling().has_seed();
  to.stop = decode(from.stop(), fault);
  to.max_tokens_given = from.stop().has_max_tokens();
  to.report = decode(from.report());
  to.priority = from.priority();
  to.request_id = from.request_id();
  if (fault.found()) return fault.error(ErrorCode::invalid_argument);
  return to;
}

void encode(const GenerateEvent& from, v1::GenerateResponse* to) {
  if (const auto* token = std::get_if<TokenEvent>(&from)) {
    encode(*token, to->mutable_token());
    return;
  }
  const auto& usage = std::get<Usage>(from);
  to->mutable_usage()->set_prompt_tokens(usage.prompt_tokens);
  to->mutable_usage()->set_completion_tokens(usage.completion_tokens);
  to->mutable_usage()->set_cached_tokens(usage.cached_tokens);
}

Result<GenerateEvent> decode(const v1::GenerateResponse& from) {
  Fault fault;
  switch (from.event_case()) {
    case v1::GenerateResponse::kToken:
      return checked<GenerateEvent>(decode(from.token(), fault), fault);
    case v1::GenerateResponse::kUsage:
      return GenerateEvent(Usage{.prompt_tokens = from.usage().prompt_tokens(),
                                 .completion_tokens = from.usage().completion_tokens(),
                                 .cached_tokens = from.usage().cached_tokens()});
    case v1::GenerateResponse::EVENT_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "An event of an answer is of an unknown kind.");
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

std::string serialize(const ToScheduler& message) { return to_bytes<v1::ToScheduler>(message); }
std::string serialize(const FromScheduler& message) { return to_bytes<v1::FromScheduler>(message); }
std::string serialize(const ToPrefill& message) { return to_bytes<v1::ToPrefill>(message); }
std::string serialize(const FromPrefill& message) { return to_bytes<v1::FromPrefill>(message); }
std::string serialize(const ToDecode& message) { return to_bytes<v1::ToDecode>(message); }
std::string serialize(const FromDecode& message) { return to_bytes<v1::FromDecode>(message); }
std::string serialize(const GenerateCall& message) {
  return to_bytes<v1::GenerateRequest>(message);
}
std::string serialize(const GenerateEvent& message) {
  return to_bytes<v1::GenerateResponse>(message);
}
std::string serialize(const std::vector<ModelInfo>& message) {
  return to_bytes<v1::ModelsResponse>(message);
}

template <>
Result<ToScheduler> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ToScheduler>(bytes);
}
template <>
Result<FromScheduler> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::FromScheduler>(bytes);
}
template <>
Result<ToPrefill> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ToPrefill>(bytes);
}
template <>
Result<FromPrefill> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::FromPrefill>(bytes);
}
template <>
Result<ToDecode> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ToDecode>(bytes);
}
template <>
Result<FromDecode> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::FromDecode>(bytes);
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
Result<std::vector<ModelInfo>> parse(std::span<const std::byte> bytes) {
  return from_bytes<v1::ModelsResponse>(bytes);
}

}  // namespace baton::rpc
