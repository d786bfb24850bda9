#include "server/api/prompt/tokenize.h"

#include "server/api/json_text.h"
#include "server/api/prompt/messages.h"
#include "server/api/prompt/prepare.h"
#include "server/api/prompt/tools.h"
#include "server/api/request/sampling_fields.h"

namespace baton::server::api {

namespace {

constexpr size_t kNameBytes = 1024;

void append_token_strings(std::string& out, const std::vector<TokenId>& ids,
                          const TextModel& model) {
  out += ",\"token_strs\":[";
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, model.token_bytes(ids[i]));
  }
  out += ']';
}

void read_model(Fields& fields, const ModelFacts& model) {
  std::string asked;
  fields.text("model", asked, kNameBytes);
  if (auto served = check_model(asked, model); !served) fields.fail(served.error());
}

// As the body of a chat would be rendered.
ApiResult<std::vector<TokenId>> tokens_of_chat(Fields& fields, const Json& messages,
                                               const TextModel& model, const ApiLimits& limits) {
  GenerateRequest request;
  request.dialect = Dialect::chat;
  BATON_TRY(read, read_messages(messages, limits));
  request.messages = std::move(read);
  read_thinking(fields, request);
  read_tools(fields, limits, request);
  read_go_on(fields, request);
  BATON_CHECKED(fields.result());
  return chat_prompt(request, model);
}

}  // namespace

ApiResult<std::vector<TokenId>> token_ids(const Json& body, const TextModel& model,
                                          const ApiLimits& limits) {
  Fields fields(body);
  read_model(fields, model.facts());
  bool add_special = true;
  fields.boolean("add_special_tokens", add_special);
  fields.boolean("add_special", add_special);  // llama-server's name
  const Json* messages = fields.get("messages");
  const Json* text = fields.get("prompt") ? fields.get("prompt") : fields.get("content");
  if (!messages && (!text || !text->is_string())) {
    fields.fail(bad_value("prompt", "\"prompt\" must be a string, or there must be \"messages\"."));
  }
  BATON_CHECKED(fields.result());
  if (messages) return tokens_of_chat(fields, *messages, model, limits);
  auto encoded = model.encode(text->get_ref<const std::string&>(), add_special);
  if (!encoded) {
    ApiError error = to_api(encoded.error());
    error.param = "prompt";
    return error;
  }
  return *std::move(encoded);
}

ApiResult<std::string> text_of_ids(const Json& body, const TextModel& model,
                                   const ApiLimits& limits) {
  Fields fields(body);
  read_model(fields, model.facts());
  std::vector<TokenId> ids;
  fields.tokens("tokens", ids, limits.json_values_max, model.facts().vocab_size);
  if (!fields.get("tokens")) fields.fail(bad_value("tokens", "\"tokens\" is missing."));
  BATON_CHECKED(fields.result());
  return model.decode(ids, false);
}

ApiResult<std::string> tokenize(std::string_view body, const TextModel& model,
                                const ApiLimits& limits) {
  BATON_TRY(json, parse_body(body, limits));
  Fields fields(json);
  bool strings = false;
  fields.boolean("return_token_strs", strings);
  BATON_CHECKED(fields.result());
  BATON_TRY(ids, token_ids(json, model, limits));
  std::string out = fmt::format("{{\"count\":{},\"max_model_len\":{},\"tokens\":[{}]", ids.size(),
                                model.facts().max_model_len, fmt::join(ids, ","));
  if (strings) {
    append_token_strings(out, ids, model);
  } else {
    out += ",\"token_strs\":null";
  }
  out += '}';
  return out;
}

ApiResult<std::string> detokenize(std::string_view body, const TextModel& model,
                                  const ApiLimits& limits) {
  BATON_TRY(json, parse_body(body, limits));
  BATON_TRY(text, text_of_ids(json, model, limits));
  std::string out = "{\"prompt\":";
  append_json_string(out, text);
  out += ",\"content\":";  // llama-server's name
  append_json_string(out, text);
  out += '}';
  return out;
}

ApiResult<std::string> count_tokens(std::string_view body, const TextModel& model,
                                    const ApiLimits& limits) {
  BATON_TRY(json, parse_body(body, limits));
  // It is counted, not answered: how long an answer might be doesn't matter.
  json["max_tokens"] = 1;
  BATON_TRY(request, parse_request(Dialect::messages, json, model.facts(), limits));
  BATON_TRY(ids, chat_prompt(request, model));
  return fmt::format("{{\"input_tokens\":{}}}", ids.size());
}

}  // namespace baton::server::api
