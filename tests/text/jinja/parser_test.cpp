#include "model/text/jinja/parser.h"

#include <gtest/gtest.h>

namespace baton::text::jinja {
namespace {

const Expr& expr_of(const SyntaxTree& tree) { return *tree.body.at(0)->expr; }

TEST(Parser, BindsAsJinjaDoes) {
  const auto tree = std::move(parse_template("{{ 1 + 2 * 3 ~ 'a'|upper }}").value());
  const Expr& sum = expr_of(*tree);
  EXPECT_EQ(sum.name, "+");
  EXPECT_EQ(sum.args[1]->name, "~");
  EXPECT_EQ(sum.args[1]->args[0]->name, "*");
  EXPECT_EQ(sum.args[1]->args[1]->kind, Expr::Kind::filter);
}

TEST(Parser, ChainsComparisons) {
  const auto tree = std::move(parse_template("{{ 1 < x not in y }}").value());
  EXPECT_EQ(expr_of(*tree).operators, (std::vector<std::string>{"<", "not in"}));
}

TEST(Parser, DeepNestingIsRefusedNotFollowed) {
  const auto nested = [](size_t n, const std::string& open, const std::string& close) {
    std::string source = "{{ ";
    for (size_t i = 0; i < n; ++i) source += open;
    source += "1";
    for (size_t i = 0; i < n; ++i) source += close;
    return source + " }}";
  };
  EXPECT_TRUE(parse_template(nested(40, "(", ")")));
  EXPECT_FALSE(parse_template(nested(100'000, "(", ")")));
  EXPECT_FALSE(parse_template(nested(100'000, "[", "]")));
  EXPECT_FALSE(parse_template(nested(100'000, "-", "")));
  EXPECT_FALSE(parse_template(nested(100'000, "1+", "")));
  EXPECT_FALSE(parse_template(nested(100'000, "", ".a")));
  EXPECT_FALSE(parse_template(nested(100'000, "", "|f")));
  EXPECT_TRUE(parse_template(nested(100'000, "not ", "")));
  std::string blocks;
  for (int i = 0; i < 20'000; ++i) blocks += "{% if 1 %}";
  EXPECT_FALSE(parse_template(blocks));
}

TEST(Parser, RefusesWhatIsNoTemplate) {
  for (const char* source :
       {"{% if %}{% endif %}", "{% if 1 %}", "{% for x in %}{% endfor %}", "{% endfor %}",
        "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}",
        "{% block x %}{% endblock %}", "{% set 1 = 2 %}", "{% break %}", "{{ f(a=1, 2) }}",
        "{{ a b }}", "{{ x[] }}", "{% macro m( %}{% endmacro %}", "{% call 1 %}{% endcall %}",
        "{{ 99999999999999999999 }}",
        "{% for x in y %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}"}) {
    const auto result = parse_template(source);
    EXPECT_FALSE(result) << source;
    if (!result) {
      EXPECT_EQ(result.error().code, ErrorCode::unsupported) << source;
    }
  }
}

TEST(Parser, NamesTheLine) {
  const auto result = parse_template("a\nb\n{{ ) }}");
  EXPECT_NE(result.error().message.find("line 3"), std::string::npos) << result.error().message;
}

}  // namespace
}  // namespace baton::text::jinja
