#include "server/http/head_rules.h"

#include <gtest/gtest.h>

namespace baton::server::http {
namespace {

std::string head_with(const std::string& fields, const std::string& version = "HTTP/1.1") {
  return "POST / " + version + "\r\n" + fields + "\r\n";
}

TEST(HeadRules, a_plain_head_passes) {
  EXPECT_EQ(check_head(head_with("Host: x\r\nContent-Length: 3\r\n"), {}), std::nullopt);
  EXPECT_EQ(check_head(head_with("Host: x\r\nTransfer-Encoding: chunked\r\n"), {}), std::nullopt);
  EXPECT_EQ(check_head(head_with("", "HTTP/1.0"), {}), std::nullopt);
}

TEST(HeadRules, what_two_parsers_may_read_differently_is_refused) {
  for (const char* fields :
       {"Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Host: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
        "Host: x\r\nContent-Length: 3, 3\r\n", "Host: x\r\nContent-Length: +3\r\n",
        "Host: x\r\nContent-Length:\r\n", "Host: x\r\nContent-Length: 0x3\r\n",
        "Host: x\r\nContent-Length: 99999999999999999999\r\n",
        "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: x\r\nTransfer-Encoding: xchunked\r\n",
        "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Host: x\r\n folded\r\n", "Host: x\r\nContent-Length : 3\r\n", "Host: x\r\n: v\r\n",
        "Host: x\r\nno colon\r\n", "Host: x\r\nHost: y\r\n", "Accept: y\r\n",
        "Host: x\r\nA: b\x01\r\n", "Host: x\r\nA: b\rc\r\n"}) {
    EXPECT_TRUE(check_head(head_with(fields), {})) << fields;
  }
  EXPECT_TRUE(check_head(head_with(std::string("Host: x\r\nA: \0b\r\n", 16)), {}));
  EXPECT_TRUE(check_head(head_with("Host: x\r\n", "HTTP/2.0"), {}));
  EXPECT_TRUE(check_head(head_with("Transfer-Encoding: chunked\r\n", "HTTP/1.0"), {}));
}

TEST(HeadRules, the_number_of_fields_is_limited) {
  std::string fields = "Host: x\r\n";
  for (int i = 0; i < 99; ++i) fields += "A: b\r\n";
  EXPECT_EQ(check_head(head_with(fields), {}), std::nullopt);
  EXPECT_TRUE(check_head(head_with(fields + "A: b\r\n"), {}));
}

TEST(HeadRules, the_end_is_found_in_any_split) {
  const std::string head = head_with("Host: x\r\n");
  for (size_t seen = 0; seen < head.size(); ++seen) {
    EXPECT_FALSE(scan_head(head.substr(0, seen), 0, {}).end);
    EXPECT_EQ(scan_head(head + "body", seen, {}).end, head.size()) << seen;
  }
}

TEST(HeadRules, a_bare_line_feed_is_refused_at_once) {
  EXPECT_TRUE(scan_head("GET / HTTP/1.1\n", 0, {}).problem);
  EXPECT_TRUE(scan_head("GET / HTTP/1.1\r\nHost: x\n\n", 0, {}).problem);
  EXPECT_TRUE(scan_head("\n", 0, {}).problem);
}

TEST(HeadRules, line_and_head_are_limited_also_without_an_end) {
  EXPECT_TRUE(scan_head(std::string(9000, 'a'), 0, {}).problem);
  const std::string head = "GET / HTTP/1.1\r\nA: ";
  EXPECT_FALSE(scan_head(head + std::string(30000, 'a'), 0, {}).problem);
  EXPECT_TRUE(scan_head(head + std::string(33000, 'a'), 0, {}).problem);
  EXPECT_TRUE(scan_head(head + std::string(33000, 'a') + "\r\n\r\n", 0, {}).problem);
}

TEST(HeadRules, targets_lose_scheme_host_query_and_doubled_slashes) {
  EXPECT_EQ(parse_target("/v1/models?x=1")->path, "/v1/models");
  EXPECT_EQ(parse_target("/v1/models?x=1")->query, "x=1");
  EXPECT_EQ(parse_target("//v1//models")->path, "/v1/models");
  EXPECT_EQ(parse_target("http://host:80/v1/models")->path, "/v1/models");
  EXPECT_EQ(parse_target("HTTP://host")->path, "/");
  EXPECT_EQ(parse_target("http://host?q")->query, "q");
  EXPECT_EQ(parse_target("*")->path, "*");
  EXPECT_FALSE(parse_target("host:443"));
  EXPECT_FALSE(parse_target(""));
}

}  // namespace
}  // namespace baton::server::http
