#include "model/constraint/languages/formats.h"

#include <gtest/gtest.h>

#include "tests/constraint/support.h"

namespace baton::constraint {
namespace {

TEST(Formats, take_what_has_the_format_and_nothing_else) {
  const struct {
    const char* format;
    std::vector<std::string> yes, no;
  } cases[] = {
      {"date",
       {"2024-02-28", "1999-12-31", "2023-04-30"},
       {"2023-02-30", "2023-04-31", "2023-13-01", "2023-1-1", "2023-00-10"}},
      {"time", {"12:30:00Z", "23:59:59.123+05:30"}, {"24:00:00Z", "12:30", "12:60:00Z"}},
      {"date-time", {"2024-02-28T12:30:00Z"}, {"2024-02-28 12:30:00Z", "2024-02-28"}},
      {"duration", {"P1D", "PT5M", "P1Y2M3DT4H5M6S", "P2W"}, {"P", "PT", "1D", "P1S"}},
      {"uuid", {"123e4567-e89b-12d3-a456-426614174000"}, {"123e4567", "g23e4567-e89b-12d3-a456-1"}},
      {"email",
       {"a@b.de", "first.last+tag@mail.example.com"},
       {"a@b", "@b.de", "a b@c.de", "a@.de"}},
      {"hostname", {"localhost", "a-b.example.com"}, {"-a.com", "a-.com", "a..b"}},
      {"ipv4", {"127.0.0.1", "255.255.255.255"}, {"256.1.1.1", "1.1.1", "01.1.1.1"}},
      {"ipv6", {"2001:db8:0:0:0:0:0:1"}, {"2001:db8::1", "1:2:3"}},
      {"uri", {"https://example.com/a?b=c#d", "mailto:a@b.de"}, {"example.com", "http:", "a:b c"}},
  };
  for (const auto& each : cases) {
    const auto pattern = format_pattern(each.format);
    ASSERT_TRUE(pattern) << each.format;
    for (const auto& text : each.yes)
      EXPECT_TRUE(testing::takes(Form::regex, *pattern, text)) << each.format << ' ' << text;
    for (const auto& text : each.no)
      EXPECT_FALSE(testing::takes(Form::regex, *pattern, text)) << each.format << ' ' << text;
  }
  EXPECT_FALSE(format_pattern("color"));
}

}  // namespace
}  // namespace baton::constraint
