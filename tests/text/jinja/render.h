// Shortcuts of the template tests: render a source on JSON variables.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "model/text/jinja/template.h"

namespace baton::text::jinja::testing {

using Json = nlohmann::ordered_json;

inline Result<RenderedPrompt> prompt_of(std::string_view source, const Json& variables = Json(),
                                        const Limits& limits = {}) {
  BATON_TRY(parsed, Template::parse(source));
  std::vector<Variable> list;
  for (const auto& [name, value] : variables.items()) list.push_back({name, &value, false});
  return parsed.render(list, limits);
}

// The text, or "! " and the error's sentence.
inline std::string rendered(std::string_view source, const Json& variables = Json(),
                            const Limits& limits = {}) {
  const auto result = prompt_of(source, variables, limits);
  return result ? result->text() : "! " + result.error().message;
}

// The text with request data in braces.
inline std::string marked(std::string_view source, const Json& variables) {
  const auto result = prompt_of(source, variables);
  if (!result) return "! " + result.error().message;
  std::string text;
  for (const auto& segment : result->segments) {
    text += segment.trusted ? segment.text : "{" + segment.text + "}";
  }
  return text;
}

}  // namespace baton::text::jinja::testing
