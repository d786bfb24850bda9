#include "server/inference/call_body.h"

#include "model/checkpoint/strict_json.h"
#include "server/api/request/generate_request.h"

namespace baton::server {

using api::Json;

namespace {

// What wasn't given is left out, so that the model's own defaults stand.
Json sampling_json(const SamplingParams& sampling, const rpc::SamplingGiven& given) {
  Json bias = Json::object();
  for (const auto& [id, value] : sampling.logit_bias) bias[std::to_string(id)] = value;
  Json body = {{"logit_bias", std::move(bias)}};
  const auto add = [&](bool is_given, const char* name, auto value) {
    if (is_given) body[name] = value;
  };
  add(given.temperature, "temperature", sampling.temperature);
  add(given.top_p, "top_p", sampling.top_p);
  add(given.top_k, "top_k", sampling.top_k);
  add(given.min_p, "min_p", sampling.min_p);
  add(given.presence_penalty, "presence_penalty", sampling.presence_penalty);
  add(given.frequency_penalty, "frequency_penalty", sampling.frequency_penalty);
  add(given.repetition_penalty, "repetition_penalty", sampling.repetition_penalty);
  add(given.seed, "seed", static_cast<int64_t>(sampling.seed));
  if (!sampling.allowed.empty()) body["allowed_token_ids"] = sampling.allowed;
  return body;
}

Json messages_json(const std::vector<rpc::ChatMessage>& messages) {
  Json list = Json::array();
  for (const auto& message : messages) {
    Json& entry = list.emplace_back(Json{{"role", message.role}, {"content", message.content}});
    if (!message.reasoning.empty()) entry["reasoning_content"] = message.reasoning;
    if (!message.tool_call_id.empty()) entry["tool_call_id"] = message.tool_call_id;
    for (const auto& call : message.tool_calls) {
      entry["tool_calls"].push_back(
          {{"id", call.id},
           {"type", "function"},
           {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
  }
  return list;
}

Json tool_json(const rpc::Tool& tool) {
  Json function = {{"name", tool.name}};
  if (!tool.description.empty()) function["description"] = tool.description;
  if (!tool.parameters.empty()) {
    // As a part of a body would be. What isn't goes on as a text, which is refused by its name.
    const api::ApiLimits limits;
    auto parameters = checkpoint::parse_strict_ordered_json(
        tool.parameters, "The schema", {limits.json_depth_max, limits.json_values_max});
    function["parameters"] = parameters ? *std::move(parameters) : Json(tool.parameters);
  }
  return {{"type", "function"}, {"function", std::move(function)}};
}

std::optional<Json> tool_choice_json(const rpc::ChatCall& call) {
  if (!call.tool_name.empty()) {
    return Json{{"type", "function"}, {"function", {{"name", call.tool_name}}}};
  }
  switch (call.tool_mode) {
    case rpc::ToolMode::automatic:
      return Json("auto");
    case rpc::ToolMode::none:
      return Json("none");
    case rpc::ToolMode::required:
      return Json("required");
    case rpc::ToolMode::unspecified:
      break;
  }
  return std::nullopt;
}

}  // namespace

Json body_of(const rpc::GenerateCall& call) {
  Json body = sampling_json(call.sampling, call.given);
  body["model"] = call.model;
  body["n"] = call.choices;
  body["priority"] = call.priority;
  if (call.max_tokens_given) body["max_tokens"] = call.stop.max_tokens;
  body["min_tokens"] = call.stop.min_tokens;
  body["ignore_eos"] = call.stop.ignore_eos;
  body["include_stop_str_in_output"] = call.stop.include_string;
  body["stop"] = call.stop.strings;
  body["stop_token_ids"] = call.stop.tokens;
  body["skip_special_tokens"] = call.report.skip_special_tokens;
  body["return_logits_digest"] = call.report.logits_digest;
  if (const auto* messages = std::get_if<std::vector<rpc::ChatMessage>>(&call.prompt)) {
    body["messages"] = messages_json(*messages);
    body["logprobs"] = call.report.logprobs;
    body["top_logprobs"] = call.report.top_logprobs;
    return body;
  }
  if (const auto* text = std::get_if<std::string>(&call.prompt)) body["prompt"] = *text;
  if (const auto* ids = std::get_if<std::vector<TokenId>>(&call.prompt)) body["prompt"] = *ids;
  if (call.report.logprobs) body["logprobs"] = call.report.top_logprobs;
  return body;
}

Json body_of(const rpc::ChatCall& call) {
  Json body = body_of(call.turn);
  for (const auto& tool : call.tools) body["tools"].push_back(tool_json(tool));
  if (auto choice = tool_choice_json(call)) body["tool_choice"] = *std::move(choice);
  if (call.parallel_tool_calls) body["parallel_tool_calls"] = *call.parallel_tool_calls;
  if (call.thinking) body["chat_template_kwargs"] = {{"thinking", *call.thinking}};
  if (call.go_on) {
    body["continue_final_message"] = true;
    body["add_generation_prompt"] = false;
  }
  return body;
}

Json body_of(const rpc::TokenizeCall& call) {
  Json body = {{"model", call.model}, {"add_special_tokens", call.add_special_tokens}};
  if (const auto* text = std::get_if<std::string>(&call.input)) {
    body["prompt"] = *text;
  } else {
    body["messages"] = messages_json(std::get<std::vector<rpc::ChatMessage>>(call.input));
  }
  return body;
}

Json body_of(const rpc::DetokenizeCall& call) {
  return {{"model", call.model}, {"tokens", call.tokens}};
}

}  // namespace baton::server
