#include "server/routes/told_exchange.h"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

struct Kept final : http::Exchange {
  explicit Kept(http::Response& to) : response(to) {}
  void on_gone(std::function<void()>) override {}
  void respond(http::Response answer) override { response = std::move(answer); }
  void begin(http::Response head, std::string_view) override { response = std::move(head); }
  void write(std::string_view data) override { response.body += data; }
  void end() override {}
  http::Response& response;
};

http::Response told(const std::string& gzip, std::string body, bool stream = false) {
  http::Response response;
  int status = 0;
  const auto exchange =
      told_exchange(std::make_unique<Kept>(response),
                    {{{"X-Request-Id", "r"}}, gzip, [&status](int s) { status = s; }});
  if (stream) {
    exchange->begin({}, "");
    exchange->write(body);
    exchange->end();
  } else {
    exchange->respond({200, {}, std::move(body)});
  }
  EXPECT_EQ(status, 200);
  EXPECT_EQ(http::find(response.fields, "X-Request-Id"), "r");
  return response;
}

TEST(ToldExchange, whole_answers_of_some_size_are_packed_for_who_asks) {
  const std::string body(5000, 'a');
  const auto packed = told("gzip", body);
  EXPECT_EQ(http::find(packed.fields, "Content-Encoding"), "gzip");
  EXPECT_LT(packed.body.size(), 1000u);
  EXPECT_EQ(told("", body).body, body);
  EXPECT_EQ(http::find(told("", body).fields, "Vary"), "Accept-Encoding");
  EXPECT_EQ(told("gzip", "short").body, "short");
  EXPECT_EQ(told("gzip", std::string(2 << 20, 'a')).body.size(), size_t{2 << 20});
}

TEST(ToldExchange, a_stream_is_never_packed) {
  const auto streamed = told("gzip", std::string(5000, 'a'), true);
  EXPECT_EQ(streamed.body.size(), 5000u);
  EXPECT_TRUE(http::find(streamed.fields, "Content-Encoding").empty());
}

}  // namespace
}  // namespace baton::server
