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
  if (fields.get("input_ids")) {
    fields.tokens("input_ids", request.prompt_ids.emplace(), model.max_model_len, model.vocab_size);
  }
  if (!messages && request.prompt_ids) {
    request.messages = Json::array();
  } else if (!messages) {
    fields.fail(bad_value("messages", "\"messages\" is missing."));
  } else if (auto read = read_messages(*messages, limits); !read) {
    fields.fail(read.error());
  } else {
    request.messages = *std::move(read);
  }
  read_go_on(fields, request);
  check_asks_for_something(fields, request);
  BATON_CHECKED(finish_fields(fields, limits, request));
  return request;
}

}  // namespace baton::server::api
