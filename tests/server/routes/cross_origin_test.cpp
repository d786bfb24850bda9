#include "server/routes/cross_origin.h"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

http::Request from(const char* origin) {
  http::Request request;
  if (*origin != 0) request.fields.push_back({"origin", origin});
  return request;
}

std::string allowed(const char* origin, const char* list) {
  const auto fields = cross_origin_fields(from(origin), list);
  return std::string(http::find(fields, "Access-Control-Allow-Origin"));
}

TEST(CrossOrigin, only_origins_that_are_listed_may_read) {
  EXPECT_TRUE(cross_origin_fields(from("https://a"), "").empty());
  EXPECT_EQ(allowed("https://a", "*"), "*");
  EXPECT_EQ(allowed("https://b", "https://a, https://b"), "https://b");
  EXPECT_EQ(allowed("https://c", "https://a, https://b"), "");
  EXPECT_EQ(allowed("", "https://a"), "");
  EXPECT_EQ(http::find(cross_origin_fields(from("https://c"), "https://a"), "Vary"), "Origin");
}

TEST(CrossOrigin, a_preflight_may_name_the_fields_that_it_will_send) {
  http::Request request = from("https://a");
  request.fields.push_back({"access-control-request-headers", "x-stainless-os, content-type"});
  const auto response = options_response(request, "POST");
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(http::find(response.fields, "Access-Control-Allow-Headers"),
            "x-stainless-os, content-type");
  EXPECT_EQ(http::find(response.fields, "Allow"), "POST, OPTIONS");
  EXPECT_EQ(http::find(options_response({}, "GET").fields, "Allow"), "GET, HEAD, OPTIONS");
}

TEST(CrossOrigin, names_that_are_none_are_not_repeated) {
  for (const std::string& bad : {std::string("x\r\nSet-Cookie: a"), std::string(2000, 'a')}) {
    http::Request request;
    request.fields.push_back({"access-control-request-headers", bad});
    EXPECT_EQ(http::find(options_response(request, "").fields, "Access-Control-Allow-Headers"),
              "authorization, content-type, x-api-key");
  }
}

}  // namespace
}  // namespace baton::server
