// ChatTemplate: a model's own chat template, run on the messages of a request.
//
// The template is the model's (`chat_template.jinja`, else `chat_template` in
// `tokenizer_config.json`), never a request's. It runs in the bounded interpreter of jinja/, which
// keeps for every character whether it came from the template or from the request; only template
// text can become a special token. Messages are normalised first (see render).
// Thread safety: const after load.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/text/prompt.h"

namespace baton::text {

namespace jinja {
class Template;
}

class ChatTemplate {
 public:
  // not_found if the folder has no chat template.
  static Result<ChatTemplate> load(const std::filesystem::path& model_dir);
  // Another source, with the tokens of the folder.
  static Result<ChatTemplate> load_other(std::string_view source,
                                         const std::filesystem::path& model_dir);
  // `config`: the parsed tokenizer_config.json, for the texts of bos_token, eos_token, ...
  static Result<ChatTemplate> parse(std::string_view source, const nlohmann::json& config);

  // Messages in the form that templates are written for (see render).
  static Result<nlohmann::ordered_json> normalise(const nlohmann::ordered_json& messages);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // messages: array of objects; tools: array or null; kwargs: object or null, further template
  // variables (add_generation_prompt, thinking, ...), which can't hide messages, tools or tokens.
  // Normalised first: arrays of text parts are joined by newlines; role `developer` is `system`;
  // empty content beside tool calls is null, absent content without tool calls is "".
  // An error that the template raises itself is invalid_argument.
  // The order of keys shows where a template prints JSON: parse requests as ordered_json.
  Result<RenderedPrompt> render(const nlohmann::ordered_json& messages,
                                const nlohmann::ordered_json& tools,
                                const nlohmann::ordered_json& kwargs) const;

 private:
  struct Named {
    std::string name;  // "default", "tool_use", ...
    std::unique_ptr<const jinja::Template> body;
  };

  ChatTemplate() = default;
  static Result<ChatTemplate> from_sources(
      const std::vector<std::pair<std::string, std::string>>& sources,
      const nlohmann::json& config);

  std::vector<Named> templates_;
  std::vector<std::pair<std::string, std::string>> tokens_;  // variable, text: bos_token, ...
};

}  // namespace baton::text
