#include "server/api/error.h"

#include <gtest/gtest.h>

namespace baton::server::api {
namespace {

TEST(ApiError, has_the_shape_that_clients_read) {
  EXPECT_EQ(error_json(bad_value("top_p", "Too \"big\".")),
            R"({"error":{"message":"Too \"big\".","type":"invalid_request_error",)"
            R"("param":"top_p","code":"invalid_value"}})");
  EXPECT_EQ(error_json(unknown_url("GET", "/x")),
            R"({"error":{"message":"There is nothing at GET /x.","type":"invalid_request_error",)"
            R"("param":null,"code":"unknown_url"}})");
}

TEST(ApiError, each_kind_of_failure_has_its_status) {
  const std::pair<ErrorCode, int> cases[] = {
      {ErrorCode::invalid_argument, 400},   {ErrorCode::corrupt, 400},
      {ErrorCode::unsupported, 400},        {ErrorCode::not_found, 404},
      {ErrorCode::resource_exhausted, 429}, {ErrorCode::unavailable, 503},
      {ErrorCode::deadline_exceeded, 504},  {ErrorCode::internal, 500}};
  for (const auto& [code, status] : cases) EXPECT_EQ(to_api(fail(code, "x")).status, status);
}

TEST(ApiError, refusals_that_pass_say_when_to_come_again) {
  const auto full = error_response(to_api(fail(ErrorCode::resource_exhausted, "x"), 2500ms));
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.fields[1].name, "Retry-After");
  EXPECT_EQ(full.fields[1].value, "3");
  EXPECT_EQ(full.fields[2].value, "3000");
  const auto down = error_response(to_api(fail(ErrorCode::unavailable, "x"), 0ms));
  EXPECT_EQ(down.fields[1].value, "1");
  EXPECT_EQ(error_response(bad_value("a", "x")).fields.size(), 1u);
}

}  // namespace
}  // namespace baton::server::api
