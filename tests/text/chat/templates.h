// Chat templates with and without the defects of published ones. Thread safety: constants.
#pragma once

#include <string_view>

namespace baton::testing {

// Prints everything.
inline constexpr std::string_view kGoodTemplate =
    "{{ bos_token }}{% if tools %}[tools]{{ tools|tojson }}{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content or '' }}"
    "{% if m.tool_calls %}<｜tool▁calls▁begin｜>{% for c in m.tool_calls %}<｜tool▁call▁begin｜>"
    "{{ c.function.name }}<｜tool▁sep｜>{{ c.function.arguments }}<｜tool▁call▁end｜>{% endfor %}"
    "<｜tool▁calls▁end｜>{% endif %}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

// Loses the end of a lone call, as the published template of V3 does.
inline constexpr std::string_view kLosingTemplate =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content or '' }}"
    "{% if m.tool_calls %}<｜tool▁calls▁begin｜>{% for c in m.tool_calls %}<｜tool▁call▁begin｜>"
    "{{ c.type }}<｜tool▁sep｜>{{ c.function.name }}<｜tool▁call▁end｜>"
    "{% if not loop.first %}<｜tool▁calls▁end｜>{{ eos_token }}{% endif %}{% endfor %}"
    "{% elif m.role == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

// Opens only the first list of calls and the first of outputs, as the published one of R1 does.
inline constexpr std::string_view kForgetfulTemplate =
    "{% set ns = namespace(called=false, answered=false) %}{{ bos_token }}"
    "{% for m in messages %}{% if m.role != 'tool' %}[{{ m.role }}]{% endif %}"
    "{% if m.tool_calls %}{% for c in m.tool_calls %}"
    "{% if not ns.called %}<｜tool▁calls▁begin｜>{% endif %}{% set ns.called = true %}"
    "<｜tool▁call▁begin｜>{{ c.type }}<｜tool▁sep｜>{{ c.function.name }}\n```json\n"
    "{{ c.function.arguments }}\n```<｜tool▁call▁end｜>{% endfor %}<｜tool▁calls▁end｜>"
    "{% elif m.role == 'tool' %}"
    "{% if not ns.answered %}<｜tool▁outputs▁begin｜>{% endif %}{% set ns.answered = true %}"
    "<｜tool▁output▁begin｜>{{ m.content }}<｜tool▁output▁end｜>"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}";

// Opens and closes reasoning, and takes a prefix for one of it, as V3.1's does.
inline constexpr std::string_view kThinkingTemplate =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}"
    "{% if m.prefix %}<think>{% else %}</think>{% endif %}{% endif %}{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>{% endif %}";

// Knows neither tools nor their answers.
inline constexpr std::string_view kPlainTemplate =
    "{{ bos_token }}{% for m in messages %}{% if m.role != 'tool' %}[{{ m.role }}]{{ m.content }}"
    "{% endif %}{% endfor %}";

}  // namespace baton::testing
