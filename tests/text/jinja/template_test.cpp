#include "model/text/jinja/template.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/source_dir.h"
#include "tests/text/jinja/render.h"

namespace baton::text::jinja {
namespace {

// cases.jsonl holds what the reference implementation makes of each (see make_cases.py).
TEST(Template, RendersAsTheReference) {
  std::ifstream file(baton::testing::source_dir() / "tests/text/jinja/cases.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  const auto variables = testing::Json::parse(line).at("variables");
  size_t cases = 0;
  for (; std::getline(file, line); ++cases) {
    const auto test = testing::Json::parse(line);
    const auto source = test.at("source").get<std::string>();
    const auto result = testing::prompt_of(source, variables);
    if (test.contains("fails")) {
      EXPECT_FALSE(result) << source;
    } else if (!result) {
      ADD_FAILURE() << source << "\n" << result.error().message;
    } else {
      EXPECT_EQ(result->text(), test.at("expected").get<std::string>()) << source;
    }
  }
  EXPECT_GT(cases, 300u);
}

TEST(Template, SegmentsAreCutWhereTrustChanges) {
  const auto prompt = testing::prompt_of("a{{ 'b' }}{{ u }}{{ u }}c", {{"u", "x"}});
  EXPECT_EQ(prompt.value().segments,
            (std::vector<PromptSegment>{{"ab", true}, {"xx", false}, {"c", true}}));
}

TEST(Template, RendersTheSameTwice) {
  const auto parsed =
      Template::parse("{% set ns = namespace(x=1) %}{% set ns.x = ns.x + 1 %}{{ ns.x }}");
  EXPECT_EQ(parsed->render({})->text(), "2");
  EXPECT_EQ(parsed->render({})->text(), "2");
}

}  // namespace
}  // namespace baton::text::jinja
