#include "server/api/request/sampling_fields.h"

namespace baton::server::api {

namespace {

// All four forms: a string, token ids, a list of strings, a list of lists of token ids.
class PromptReader {
 public:
  PromptReader(Fields& fields, const char* name, const ModelFacts& model, const ApiLimits& limits)
      : fields_(fields), name_(name), model_(model), limits_(limits) {}

  void read(const Json& prompt, std::vector<PromptForm>& out) {
    if (prompt.is_string()) {
      out.emplace_back(prompt.get<std::string>());
      return;
    }
    if (!prompt.is_array() || prompt.empty()) return bad_form();
    if (prompt.front().is_number()) return add_ids(prompt, out);
    if (prompt.size() > limits_.prompts_max) {
      return fields_.fail(
          bad_value(name_, "\"{}\" has more than {} prompts.", name_, limits_.prompts_max));
    }
    for (const auto& item : prompt) {
      if (item.is_string() && prompt.front().is_string()) {
        out.emplace_back(item.get<std::string>());
      } else if (item.is_array() && prompt.front().is_array() && !item.empty()) {
        add_ids(item, out);
      } else {
        return bad_form();
      }
    }
  }

 private:
  void bad_form() {
    fields_.fail(bad_value(name_,
                           "\"{}\" must be a string, a list of strings, a list of token ids from 0 "
                           "to {}, or a list of such lists; not empty.",
                           name_, model_.vocab_size - 1));
  }
  void add_ids(const Json& list, std::vector<PromptForm>& out) {
    std::vector<TokenId> ids;
    ids.reserve(list.size());
    for (const auto& item : list) {
      const auto id = as_integer(item, 0, int64_t{model_.vocab_size} - 1);
      if (!id) return bad_form();
      ids.push_back(static_cast<TokenId>(*id));
    }
    out.emplace_back(std::move(ids));
  }

  Fields& fields_;
  const char* name_;
  const ModelFacts& model_;
  const ApiLimits& limits_;
};

void read_prompts(Fields& fields, const ModelFacts& model, const ApiLimits& limits,
                  GenerateRequest& request) {
  const char* name = fields.get("prompt") || !fields.get("input_ids") ? "prompt" : "input_ids";
  const Json* prompt = fields.get(name);
  if (!prompt) return fields.fail(bad_value("prompt", "\"prompt\" is missing."));
  PromptReader(fields, name, model, limits).read(*prompt, request.prompts);
}

void read_suffix(Fields& fields, const ModelFacts& model, GenerateRequest& request) {
  const Json* suffix = fields.get("suffix");
  if (!suffix || *suffix == "") return;
  std::string text;
  fields.text("suffix", text, std::string::npos);
  if (!model.special.can_fill()) {
    return fields.fail(
        unsupported_parameter("suffix", "this model's tokenizer has no fill-in-the-middle."));
  }
  for (const auto& prompt : request.prompts) {
    if (std::holds_alternative<std::string>(prompt)) continue;
    return fields.fail(bad_value("suffix", "\"suffix\" needs a \"prompt\" of text."));
  }
  request.suffix = std::move(text);
}

// A number of alternatives; 0 means the chosen token's own alone.
void read_logprobs(Fields& fields, const ApiLimits& limits, GenerateRequest& request) {
  std::optional<uint32_t> logprobs;
  fields.integer("logprobs", logprobs, 0, limits.top_logprobs_max);
  fields.integer("n_probs", logprobs, 0, limits.top_logprobs_max);
  fields.refuse("top_logprobs", "a text completion has \"logprobs\": N.");
  if (!logprobs) return;
  request.report.logprobs = true;
  request.report.top_logprobs = *logprobs;
  // What is echoed is scored too.
  if (request.echo && !request.report.prompt_logprobs) request.report.prompt_logprobs = *logprobs;
}

}  // namespace

ApiResult<GenerateRequest> parse_completion(const Json& body, const ModelFacts& model,
                                            const ApiLimits& limits) {
  GenerateRequest request;
  request.dialect = Dialect::text;
  Fields fields(body);
  read_shared_fields(fields, model, limits, request);
  read_prompts(fields, model, limits, request);
  read_suffix(fields, model, request);
  read_logprobs(fields, limits, request);
  fields.boolean("add_special_tokens", request.add_special_tokens);
  fields.refuse("messages", "a text completion has \"prompt\".");
  fields.refuse("tools", "only chats may have them.");
  if (!request.max_tokens) request.max_tokens = 16;  // OpenAI's default for text completions
  check_asks_for_something(fields, request);
  BATON_CHECKED(finish_fields(fields, limits, request));
  return request;
}

}  // namespace baton::server::api
