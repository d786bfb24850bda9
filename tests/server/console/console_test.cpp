#include "server/console/console.h"

#include <gtest/gtest.h>

#include <regex>

namespace baton::server {
namespace {

std::string text_of(std::string_view name) { return console_response(name).value().body; }

std::vector<std::string> scripts() {
  std::vector<std::string> names;
  for (const ConsoleFile& file : console_files()) {
    if (file.name.ends_with(".js")) names.emplace_back(file.name);
  }
  return names;
}

TEST(Console, a_file_comes_whole_with_its_type_and_the_policy) {
  const auto page = console_response("index.html").value();
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(http::find(page.fields, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
  EXPECT_TRUE(page.body.ends_with("</html>\n"));
  for (const ConsoleFile& file : console_files()) {
    const auto response = console_response(file.name).value();
    const auto policy = http::find(response.fields, "Content-Security-Policy");
    EXPECT_TRUE(policy.starts_with("default-src 'none'")) << file.name;
    EXPECT_EQ(policy.find("unsafe"), policy.npos);
    EXPECT_EQ(http::find(response.fields, "X-Content-Type-Options"), "nosniff");
  }
  EXPECT_EQ(http::find(console_response("icon.svg")->fields, "Content-Type"), "image/svg+xml");
  EXPECT_FALSE(console_response("other"));
  EXPECT_FALSE(console_response(""));
}

TEST(Console, everything_that_the_page_names_is_there) {
  std::string all = text_of("index.html");
  for (const auto& name : scripts()) all += text_of(name);
  const std::regex reference(R"re(["'](?:/console|\.)/([a-z_.]+)["'])re");
  size_t found = 0;
  for (std::sregex_iterator it(all.begin(), all.end(), reference), end; it != end; ++it, ++found) {
    EXPECT_TRUE(console_response((*it)[1].str())) << (*it)[0];
  }
  EXPECT_GE(found, 8u);
}

TEST(Console, text_is_never_markup_and_nothing_comes_from_elsewhere) {
  const std::regex markup("innerHTML|outerHTML|insertAdjacentHTML|document\\.write|eval\\(");
  const std::regex elsewhere("(https?:)?//[a-z0-9]+\\.[a-z]");
  for (const ConsoleFile& file : console_files()) {
    std::string text(file.bytes);
    EXPECT_FALSE(std::regex_search(text, markup)) << file.name;
    text = std::regex_replace(text, std::regex("http://www\\.w3\\.org/2000/svg"), "");
    EXPECT_FALSE(std::regex_search(text, elsewhere)) << file.name;
  }
  const std::string page = text_of("index.html");
  const std::regex inlined(R"( (style|on[a-z]+)=")");  // which the policy forbids
  EXPECT_FALSE(std::regex_search(page, inlined));
}

TEST(Console, each_id_that_the_scripts_look_for_is_in_the_page) {
  const std::string page = text_of("index.html");
  const std::regex looked(R"re(\$\("([a-z-]+)"\))re");
  for (const auto& name : scripts()) {
    const std::string text = text_of(name);
    for (std::sregex_iterator it(text.begin(), text.end(), looked), end; it != end; ++it) {
      EXPECT_NE(page.find("id=\"" + (*it)[1].str() + '"'), page.npos) << name << ' ' << (*it)[1];
    }
  }
}

}  // namespace
}  // namespace baton::server
