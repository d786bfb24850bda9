#include "server/api/prompt/messages.h"
#include "server/api/prompt/tools.h"
#include "server/api/request/sampling_fields.h"

namespace baton::server::api {

namespace {

void read_logprobs(Fields& fields, const ApiLimits& limits, ReportParams& report) {
  fields.boolean("logprobs", report.logprobs);
  fields.integer("top_logprobs", report.top_logprobs, 0, limits.top_logprobs_max);
  fields.integer("n_probs", report.top_logprobs, 0, limits.top_logprobs_max);
  if (fields.get("n_probs") && report.top_logprobs > 0) report.logprobs = true;
  if (report.top_logprobs > 0 && !report.logprobs) {
    fields.fail(bad_value("top_logprobs", "\"top_logprobs\" needs \"logprobs\": true."));
  }
}

// Whether the assistant's last message is to be gone on with; three clients say it in three ways.
void read_go_on(Fields& fields, GenerateRequest& request) {
  bool generation_prompt = true;
  fields.boolean("add_generation_prompt", generation_prompt);
  request.template_kwargs["add_generation_prompt"] = generation_prompt;
  fields.boolean("continue_final_message", request.go_on);
  const bool from_assistant = request.messages.is_array() && !request.messages.empty() &&
                              request.messages.back().value("role", Json()) == "assistant";
  const bool prefix = from_assistant && request.messages.back().value("prefix", Json()) == true;
  if (prefix) request.go_on = true;
  if (request.go_on && !from_assistant) {
    fields.fail(bad_value("continue_final_message",
                          "The last message to go on with must be the assistant's."));
  }
  if (request.go_on && !prefix && generation_prompt && fields.get("add_generation_prompt")) {
    fields.fail(bad_value("add_generation_prompt",
                          "\"add_generation_prompt\" and \"continue_final_message\" exclude each "
                          "other."));
  }
  if (request.echo && !from_assistant) {
    fields.fail(bad_value("echo", "A chat echoes only a last message of the assistant's."));
  }
}

}  // namespace

ApiResult<GenerateRequest> parse_chat(const Json& body, const ModelFacts& model,
                                      const ApiLimits& limits) {
  GenerateRequest request;
  request.dialect = Dialect::chat;
  Fields fields(body);
  read_shared_fields(fields, model, limits, request);
  read_logprobs(fields, limits, request.report);
  read_thinking(fields, request);
  fields.boolean("include_reasoning", request.include_reasoning);
  fields.boolean("separate_reasoning", request.separate_reasoning);
  fields.integer("thinking_token_budget", request.reasoning_max, 0, model.max_model_len);
  fields.refuse("suffix", "only text completions may have it.");
  fields.refuse("prompt", "a chat has \"messages\".");
  read_tools(fields, limits, request);
  const Json* messages = fields.get("messages");
  if (!messages) {
    fields.fail(bad_value("messages", "\"messages\" is missing."));
  } else if (auto read = read_messages(*messages, limits); !read) {
    fields.fail(read.error());
  } else {
    request.messages = *std::move(read);
  }
  read_go_on(fields, request);
  check_asks_for_something(fields, request);
  if (auto result = fields.result(); !result) return result.error();
  return request;
}

}  // namespace baton::server::api
