#include "model/text/jinja/template.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/json.h"
#include "model/text/jinja/parser.h"

namespace baton::text::jinja {

Template::Template(std::unique_ptr<const SyntaxTree> tree) : tree_(std::move(tree)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view source) {
  BATON_TRY(tree, parse_template(source));
  return Template(std::move(tree));
}

Result<RenderedPrompt> Template::render(const std::vector<Variable>& variables,
                                        const Limits& limits) const {
  Heap heap(limits);
  Frame globals;
  for (const auto& variable : variables) {
    BATON_TRY(value, from_json(*variable.value, variable.trusted, heap));
    globals.emplace_back(variable.name, value);
  }
  BATON_TRY(text, Interpreter(heap, std::move(globals)).run(*tree_));
  RenderedPrompt prompt;
  size_t begin = 0;
  for (const auto& run : text.runs()) {
    prompt.segments.push_back({text.bytes().substr(begin, run.end - begin), run.trusted});
    begin = run.end;
  }
  return prompt;
}

}  // namespace baton::text::jinja
