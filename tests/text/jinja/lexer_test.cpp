#include "model/text/jinja/lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::text::jinja {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> data(std::string_view source) {
  std::vector<std::string> out;
  const auto tokens = tokenize_template(source);
  EXPECT_TRUE(tokens);
  for (const auto& token : tokens.value()) {
    if (token.kind == TokenKind::data) out.push_back(token.text);
  }
  return out;
}

TEST(Lexer, BlocksTakeTheBlanksBeforeAndTheNewlineAfter) {
  EXPECT_THAT(data("a\n  {% x %}\n b"), ElementsAre("a\n", " b"));
  EXPECT_THAT(data("a  {% x %}b"), ElementsAre("a  ", "b"));
  EXPECT_THAT(data("a\n  {{ x }}\nb"), ElementsAre("a\n  ", "\nb"));
  EXPECT_THAT(data("a\n  {# x #}\nb"), ElementsAre("a\n", "b"));
}

TEST(Lexer, SignsTakeAllWhiteSpaceOrNone) {
  EXPECT_THAT(data("a \n {%- x -%} \n b"), ElementsAre("a", "b"));
  EXPECT_THAT(data("a\n {%+ x +%}\nb"), ElementsAre("a\n ", "\nb"));
  EXPECT_THAT(data("a {{- x -}} b"), ElementsAre("a", "b"));
}

TEST(Lexer, OneNewlineAtTheEndGoesAndLineEndsAreUnified) {
  EXPECT_THAT(data("a\r\nb\rc\n\n"), ElementsAre("a\nb\nc\n"));
}

TEST(Lexer, RawIsData) {
  EXPECT_THAT(data("{% raw %}{{ x }}{% endraw %}"), ElementsAre("{{ x }}"));
}

TEST(Lexer, ResolvesEscapesAndCountsLines) {
  const auto tokens = tokenize_template("\n\n{{ '\\x41\\u00e9\\n\\q\\'' }}").value();
  EXPECT_EQ(tokens[2].text, "Aé\n\\q'");
  EXPECT_EQ(tokens[2].line, 3u);
}

TEST(Lexer, RefusesWhatIsLeftOpenOrUnknown) {
  for (const char* source : {"{{ 'a", "{{ a", "{% a", "{# a", "{{ a ] }}", "{{ (a] }}", "{{ $ }}",
                             "{% raw %}", "{{ '\\xzz' }}", "{{ '\\ud800' }}", "{{ '\\"}) {
    EXPECT_FALSE(tokenize_template(source)) << source;
  }
  EXPECT_FALSE(tokenize_template(std::string(source_bytes_max + 1, 'a')));
}

}  // namespace
}  // namespace baton::text::jinja
