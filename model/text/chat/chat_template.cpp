#include "model/text/chat/chat_template.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "model/text/bpe/files.h"
#include "model/text/jinja/template.h"

namespace baton::text {
namespace {

using nlohmann::json;
using Ordered = nlohmann::ordered_json;

constexpr size_t template_file_bytes_max = 1u << 20;

constexpr std::array<std::string_view, 6> token_variables{"bos_token", "eos_token", "pad_token",
                                                          "unk_token", "sep_token", "cls_token"};

Error bad_message(size_t index, std::string_view what) {
  Error error = fail(ErrorCode::invalid_argument, "messages[{}] {}", index, what);
  error.param = "messages";
  return error;
}

// The texts of an array of parts, joined by newlines.
Result<std::string> flattened(const Ordered& parts, size_t index) {
  std::string text;
  bool first = true;
  for (const auto& part : parts) {
    if (part.is_string()) {
      text += std::exchange(first, false) ? "" : "\n";
      text += part.get_ref<const std::string&>();
      continue;
    }
    const bool fine = part.is_object() && part.contains("text") && part["text"].is_string() &&
                      (!part.contains("type") || part["type"] == "text");
    if (!fine) return bad_message(index, "has a content part that is not text");
    text += std::exchange(first, false) ? "" : "\n";
    text += part["text"].get_ref<const std::string&>();
  }
  return text;
}

Result<Ordered> normalized(const Ordered& message, size_t index) {
  if (!message.is_object() || !message.contains("role") || !message["role"].is_string()) {
    return bad_message(index, "is no object with a role");
  }
  Ordered result = message;
  if (result["role"] == "developer") result["role"] = "system";
  if (result.contains("tool_calls")) {
    const auto& calls = result["tool_calls"];
    if (calls.is_null() || (calls.is_array() && calls.empty())) {
      result.erase("tool_calls");
    } else if (!calls.is_array()) {
      return bad_message(index, "has tool_calls that are no list");
    }
  }
  Ordered& content = result["content"];
  if (content.is_array()) {
    BATON_TRY(text, flattened(content, index));
    content = std::move(text);
  }
  if (!content.is_null() && !content.is_string()) {
    return bad_message(index, "has a content that is neither text nor a list of parts");
  }
  const bool calls = result.contains("tool_calls");
  if (calls && content == "") content = nullptr;
  if (!calls && content.is_null()) content = "";
  return Result<Ordered>(boost::system::in_place_value, std::move(result));
}

Result<std::vector<std::pair<std::string, std::string>>> sources_in(const json& config) {
  std::vector<std::pair<std::string, std::string>> sources;
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return sources;
  if (found->is_string()) {
    sources.emplace_back("default", found->get<std::string>());
    return sources;
  }
  for (const auto& entry : *found) {
    if (!found->is_array() || !entry.is_object() || !entry.contains("name") ||
        !entry["name"].is_string() || !entry.contains("template") ||
        !entry["template"].is_string()) {
      return fail(ErrorCode::corrupt,
                  "tokenizer_config.json: chat_template is neither text nor a list of named texts");
    }
    sources.emplace_back(entry["name"].get<std::string>(), entry["template"].get<std::string>());
  }
  return sources;
}

}  // namespace

ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::from_sources(
    const std::vector<std::pair<std::string, std::string>>& sources, const json& config) {
  ChatTemplate result;
  for (const auto& [name, source] : sources) {
    BATON_TRY(body, jinja::Template::parse(source));
    result.templates_.push_back({name, std::make_unique<const jinja::Template>(std::move(body))});
  }
  for (const auto name : token_variables) {
    auto content = bpe::token_content(config, std::string(name).c_str());
    if (!content.empty()) result.tokens_.emplace_back(name, std::move(content));
  }
  return result;
}

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, const json& config) {
  return from_sources({{"default", std::string(source)}}, config);
}

namespace {

Result<json> config_of(const std::filesystem::path& model_dir) {
  const auto file = model_dir / "tokenizer_config.json";
  if (!std::filesystem::exists(file)) {
    return Result<json>(boost::system::in_place_value, json::object());
  }
  return bpe::read_json_file(file, bpe::tokenizer_file_bytes_max);
}

}  // namespace

Result<ChatTemplate> ChatTemplate::load_other(std::string_view source,
                                              const std::filesystem::path& model_dir) {
  BATON_TRY(config, config_of(model_dir));
  return parse(source, config);
}

Result<ChatTemplate> ChatTemplate::load(const std::filesystem::path& model_dir) {
  BATON_TRY(config, config_of(model_dir));
  if (std::filesystem::exists(model_dir / "chat_template.jinja")) {
    BATON_TRY(source, bpe::read_file(model_dir / "chat_template.jinja", template_file_bytes_max));
    return parse(source, config);
  }
  BATON_TRY(sources, sources_in(config));
  if (sources.empty()) {
    return fail(ErrorCode::not_found, "{} has no chat template", model_dir.string());
  }
  return from_sources(sources, config);
}

Result<Ordered> ChatTemplate::normalise(const Ordered& messages) {
  if (!messages.is_array()) {
    Error error = fail(ErrorCode::invalid_argument, "messages is no list");
    error.param = "messages";
    return error;
  }
  Ordered clean = Ordered::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    BATON_TRY(message, normalized(messages[i], i));
    clean.push_back(std::move(message));
  }
  return Result<Ordered>(boost::system::in_place_value, std::move(clean));
}

Result<RenderedPrompt> ChatTemplate::render(const Ordered& messages, const Ordered& tools,
                                            const Ordered& kwargs) const {
  BATON_TRY(clean, normalise(messages));
  std::vector<Ordered> texts;  // values of the token variables; reserved, since variables point in
  texts.reserve(tokens_.size());
  std::vector<jinja::Variable> variables;
  if (kwargs.is_object()) {
    for (const auto& [name, value] : kwargs.items()) variables.push_back({name, &value, false});
  }
  for (const auto& [name, content] : tokens_) {
    texts.emplace_back(content);
    variables.push_back({name, &texts.back(), true});
  }
  const Ordered documents;  // templates may ask whether it is none
  variables.push_back({"documents", &documents, false});
  variables.push_back({"messages", &clean, false});
  variables.push_back({"tools", &tools, false});
  const bool with_tools = tools.is_array() && !tools.empty();
  const auto named = [&](std::string_view name) {
    return std::find_if(templates_.begin(), templates_.end(),
                        [&](const auto& candidate) { return candidate.name == name; });
  };
  auto chosen = with_tools ? named("tool_use") : templates_.end();
  if (chosen == templates_.end()) chosen = named("default");
  if (chosen == templates_.end()) chosen = templates_.begin();
  return chosen->body->render(variables);
}

}  // namespace baton::text
