#include "model/text/jinja/interpreter.h"

#include <gtest/gtest.h>

#include "tests/text/jinja/render.h"

namespace baton::text::jinja {
namespace {

using testing::rendered;

TEST(Interpreter, WhatALoopSetsStaysInsideButANamespaceCarries) {
  EXPECT_EQ(rendered("{% set x = 0 %}{% for i in [1, 2] %}{% set x = i %}{% endfor %}{{ x }}"),
            "0");
  EXPECT_EQ(
      rendered("{% set n = namespace(x=0) %}{% for i in [1, 2] %}{% set n.x = i %}{% endfor %}"
               "{{ n.x }}"),
      "2");
}

TEST(Interpreter, AMacroSeesTheScopeOfItsDefinition) {
  EXPECT_EQ(rendered("{% set x = 'o' %}{% macro m() %}{{ x }}{% endmacro %}"
                     "{% for x in 'i' %}{{ m() }}{{ x }}{% endfor %}"),
            "oi");
}

TEST(Interpreter, EndlessTemplatesEnd) {
  const Limits limits{.steps_max = 200'000, .text_bytes_max = 1 << 20, .output_bytes_max = 1 << 16};
  for (const char* source :
       {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for a in range(1000) %}{% for b in range(1000) %}{{ a }}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{{ 'x' * 1000 }}{% endfor %}",
        "{% set n = namespace(s='xxxxxxxx') %}{% for a in range(1000) %}{% set n.s = n.s + n.s %}"
        "{% endfor %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set n = namespace() %}{% set n.n = n %}{{ n }}"}) {
    const auto result = testing::prompt_of(source, testing::Json(), limits);
    EXPECT_FALSE(result) << source;
  }
}

TEST(Interpreter, DeepTreesEndBeforeTheStackDoes) {
  std::string source;
  for (int i = 0; i < 45; ++i) source += "{% for x in [1] %}";
  source += "{{ ";
  for (int i = 0; i < 90; ++i) source += "(";
  source += "1";
  for (int i = 0; i < 90; ++i) source += ")";
  source += " }}";
  for (int i = 0; i < 45; ++i) source += "{% endfor %}";
  EXPECT_EQ(rendered(source), "1");
  std::string sum = "{{ 1";
  for (int i = 0; i < 190; ++i) sum += " + 1";
  EXPECT_EQ(rendered(sum + " }}"), "191");
}

TEST(Interpreter, NothingOfTheHostCanBeReached) {
  for (const char* source : {"{{ ''.__class__ }}", "{{ m.__init__ }}", "{{ self }}",
                             "{{ strftime_now }}", "{{ lipsum }}"}) {
    EXPECT_EQ(rendered(source, {{"m", testing::Json::object()}}), "") << source;
  }
}

}  // namespace
}  // namespace baton::text::jinja
