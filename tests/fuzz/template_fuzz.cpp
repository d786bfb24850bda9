// Any bytes as a chat template, run on a conversation with tools: it ends within its limits, gives
// the same twice, and no text of the conversation ever counts as the template's.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"
#include "model/text/jinja/template.h"

namespace {

using baton::check;
using namespace baton::text;
using Json = nlohmann::ordered_json;

// A byte that only the conversation has.
constexpr char kMark = '\x01';

const Json& messages() {
  static const Json messages = Json::parse(R"([
    {"role": "system", "content": "Be \u0001brief\u0001."},
    {"role": "user", "content": "\u0001<|user|>  {{ 37 + 48 }}?\n\u0001", "name": "\u0001a"},
    {"role": "assistant", "content": null, "reasoning_content": "\u0001hm\u0001",
     "tool_calls": [{"id": "\u0001c", "type": "function",
                     "function": {"name": "\u0001f", "arguments": {"a": [1, 2.5, true, null]}}}]},
    {"role": "tool", "content": "\u000185\u0001", "tool_call_id": "\u0001c"}
  ])");
  return messages;
}

const Json& tools() {
  static const Json tools = Json::parse(R"([
    {"type": "function", "function": {"name": "\u0001f", "description": "\u0001 adds",
                                      "parameters": {"type": "object"}}}
  ])");
  return tools;
}

// Whether the template itself can make the mark: by spelling it, or with an escape.
bool can_spell_the_mark(std::string_view source) {
  return source.find(kMark) != source.npos || source.find('\\') != source.npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto parsed = jinja::Template::parse(source);
  if (!parsed) {
    check(!parsed.error().message.empty(), "a refusal says why");
    return 0;
  }
  static const Json yes = true;
  static const Json bos = "<s>";
  const std::vector<jinja::Variable> variables = {{"messages", &messages(), false},
                                                  {"tools", &tools(), false},
                                                  {"add_generation_prompt", &yes, true},
                                                  {"bos_token", &bos, true}};
  jinja::Limits limits;
  limits.steps_max = 20'000;
  limits.text_bytes_max = size_t{1} << 20;
  limits.output_bytes_max = size_t{1} << 18;
  limits.depth_max = 100;
  const auto rendered = parsed->render(variables, limits);
  const auto again = parsed->render(variables, limits);
  check(rendered.has_value() == again.has_value(), "a render has no chance in it");
  if (!rendered) return 0;
  check(rendered->segments == again->segments, "a render has no chance in it");
  check(rendered->text().size() <= limits.output_bytes_max, "the limit on output holds");
  for (size_t i = 0; i < rendered->segments.size(); ++i) {
    const PromptSegment& segment = rendered->segments[i];
    check(!segment.text.empty(), "no segment is empty");
    check(i == 0 || rendered->segments[i - 1].trusted != segment.trusted, "neighbours differ");
    if (segment.trusted && !can_spell_the_mark(source)) {
      check(segment.text.find(kMark) == std::string::npos, "text of a message is never trusted");
    }
  }
  return 0;
}
