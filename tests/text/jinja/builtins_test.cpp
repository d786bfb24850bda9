#include "model/text/jinja/builtins.h"

#include <gtest/gtest.h>

#include "tests/text/jinja/render.h"

namespace baton::text::jinja {
namespace {

using testing::marked;
using testing::rendered;

// What each does is compared with the reference in template_test; here: where the bytes came from.
TEST(Builtins, TextOperationsKeepTheOriginOfTheirBytes) {
  const testing::Json v{{"u", " User Text "}, {"l", {"a", "b"}}};
  EXPECT_EQ(marked("{{ u|trim }}", v), "{User Text}");
  EXPECT_EQ(marked("{{ ('<' + u + '>').strip('<>') }}", v), "{ User Text }");
  EXPECT_EQ(marked("{{ ('[' + u + ']')|upper }}", v), "[{ USER TEXT }]");
  EXPECT_EQ(marked("{{ u.replace('User', '<x>') }}", v), "{ }<x>{ Text }");
  EXPECT_EQ(marked("{{ 'a#b'.replace('#', u) }}", v), "a{ User Text }b");
  EXPECT_EQ(marked("{{ ('k=' ~ u).split('=') | join('~') }}", v), "k~{ User Text }");
  EXPECT_EQ(marked("{{ l|join('<s>') }}", v), "{a}<s>{b}");
  EXPECT_EQ(marked("{{ ('<' ~ u)[:3] }}", v), "<{ U}");
  EXPECT_EQ(marked("{{ ('<' ~ u)[::-1] }}", v), "{ txeT resU }<");
  EXPECT_EQ(marked("{{ (l + ['x'])|string }}", v), "{['a', 'b', '}x{']}");
  EXPECT_EQ(marked("{{ u|length }}{{ l|first }}{{ l[1] }}", v), "11{ab}");
  EXPECT_EQ(marked("{{ 'a\nb'|indent(2) }}", v), "a\n  b");
  EXPECT_EQ(marked("{{ ('<' ~ u)|e }}", v), "{&lt; User Text }");
  EXPECT_EQ(marked("{% for c in 'x' ~ l[0] %}{{ c }}{% endfor %}", v), "x{a}");
  EXPECT_EQ(marked("{{ ('<' ~ u).title() }}", v), "<{ User Text }");
}

TEST(Builtins, NumbersOfARequestAreRequestData) {
  EXPECT_EQ(marked("{{ n }} {{ n + 1 }} {{ 1 + 1 }} {{ b }} {{ '5'|int }} {{ s|int }}",
                   {{"n", 3}, {"b", true}, {"s", "7"}}),
            "{3} {4} 2 {True} 5 {7}");
}

TEST(Builtins, ErrorsAreSentences) {
  EXPECT_EQ(rendered("{{ 'a'.split('') }}"),
            "! the chat template failed: split has an empty separator (line 1)");
  EXPECT_EQ(rendered("\n{{ x|nope }}"),
            "! the chat template failed: there is no filter 'nope' (line 2)");
  EXPECT_EQ(rendered("{{ raise_exception('Roles must alternate') }}"),
            "! the chat template refuses the messages: Roles must alternate (line 1)");
}

TEST(Builtins, SizesAreBounded) {
  for (const char* source :
       {"{{ range(1000000) }}", "{{ 'a' * 10000000000 }}", "{{ [1] * 1000000000 }}",
        "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 100 }}", "{{ -9223372036854775807 - 2 }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        "{{ ['b' * 100000]|map('indent', 100)|list|join('x' * 1000000) * 1000 }}",
        "{{ range(50000)|list|unique|list }}",
        "{% set ns = namespace(l=[]) %}{% for x in range(200) %}{% set ns.l = [ns.l] %}{% endfor %}"
        "{{ ns.l }}"}) {
    EXPECT_EQ(rendered(source).substr(0, 2), "! ") << source;
  }
}

}  // namespace
}  // namespace baton::text::jinja
