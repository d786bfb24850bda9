// Template: a parsed chat template; render runs it on the data of one request.
//
// The text that comes out says of every byte whether the template or the data spelled it.
// Thread safety: const after parse; renders may run at the same time.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/jinja/value.h"
#include "model/text/prompt.h"

namespace baton::text::jinja {

struct SyntaxTree;

struct Variable {
  std::string name;
  const nlohmann::ordered_json* value;  // outlives the render
  bool trusted;                         // its text is template text
};

class Template {
 public:
  static Result<Template> parse(std::string_view source);

  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  Result<RenderedPrompt> render(const std::vector<Variable>& variables,
                                const Limits& limits = {}) const;

 private:
  explicit Template(std::unique_ptr<const SyntaxTree> tree);

  std::unique_ptr<const SyntaxTree> tree_;
};

}  // namespace baton::text::jinja
