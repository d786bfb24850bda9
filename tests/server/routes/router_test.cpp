#include "server/routes/router.h"

#include <gtest/gtest.h>

#include "tests/server/support/test_server.h"

namespace baton::server {
namespace {

using testing::HttpAnswer;
using testing::TestServer;
using testing::TestServerOptions;
using Json = nlohmann::json;

TEST(Router, small_answers_are_where_they_should_be) {
  TestServer server;
  auto client = server.client();
  for (const char* path :
       {"/livez", "/health", "/readyz", "/metrics", "/debug/kv", "/debug/cluster", "/version", "/",
        "/console/main.js", "/v1/models", "/models", "/beta/models", "/v1/models/fake",
        "/models/fake", "//v1//models", "/v1/models?x=1", "/load"}) {
    EXPECT_EQ(client.get(path).status, 200) << path;
  }
  EXPECT_EQ(client.get("/v1/models/other").status, 404);
}

TEST(Router, an_unknown_path_is_404_and_a_wrong_method_405_with_Allow) {
  TestServer server;
  auto client = server.client();
  const HttpAnswer unknown = client.get("/v1/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(Json::parse(unknown.body)["error"]["code"], "unknown_url");
  const HttpAnswer wrong = client.get("/v1/chat/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.fields.at("allow"), "POST, OPTIONS");
  EXPECT_EQ(client.post("/v1/models", "{}").status, 405);
}

TEST(Router, every_path_but_liveness_and_readiness_needs_a_key_when_keys_are_set) {
  TestServerOptions options;
  options.keys.add("secret");
  TestServer server(options);
  auto client = server.client();
  for (const char* path : {"/livez", "/health", "/readyz", "/", "/console/style.css"}) {
    EXPECT_EQ(client.get(path).status, 200) << path;
  }
  for (const char* path :
       {"/v1/models", "/metrics", "/debug/kv", "/debug/cluster", "/version", "/nothing", "/console",
        "/console/", "/console/other.js", "//livez/", "/livez/../metrics", "/LIVEZ"}) {
    const HttpAnswer answer = client.get(path);
    EXPECT_EQ(answer.status, 401) << path;
    EXPECT_EQ(answer.fields.at("www-authenticate"), "Bearer");
    EXPECT_EQ(Json::parse(answer.body)["error"]["code"], "invalid_api_key");
  }
  EXPECT_EQ(client.get("/v1/models", "Authorization: Bearer secret\r\n").status, 200);
  EXPECT_EQ(client.get("/v1/models", "Authorization: Bearer secrets\r\n").status, 401);
  EXPECT_EQ(client.get("/v1/models", "x-api-key: secret\r\n").status, 200);
  EXPECT_EQ(client.get("/v1/models", "x-api-key: no\r\n").status, 401);
  EXPECT_EQ(client.get("/v1/models", "Authorization: Bearer no\r\nx-api-key: secret\r\n").status,
            401);
}

TEST(Router, an_absolute_target_is_judged_by_its_path) {
  TestServerOptions options;
  options.keys.add("secret");
  TestServer server(options);
  auto client = server.client();
  EXPECT_EQ(client.get("http://evil/livez/../metrics").status, 401);
  EXPECT_EQ(client.get("http://host/livez").status, 200);
}

TEST(Router, requests_have_an_id_the_clients_own_if_it_is_fit_to_print) {
  TestServer server;
  auto client = server.client();
  EXPECT_EQ(client.get("/version", "X-Request-Id: mine-1\r\n").fields.at("x-request-id"), "mine-1");
  EXPECT_TRUE(client.get("/version").fields.at("x-request-id").starts_with("req-"));
  EXPECT_TRUE(client.get("/version", "X-Request-Id: a b\r\n")
                  .fields.at("x-request-id")
                  .starts_with("req-"));
}

TEST(Router, browsers_are_let_in_only_if_told_so) {
  TestServer closed;
  auto client = closed.client();
  EXPECT_FALSE(client.get("/version").fields.contains("access-control-allow-origin"));
  TestServerOptions options;
  options.router.allowed_origin = "https://ui.example";
  options.keys.add("secret");
  TestServer open(options);
  auto browser = open.client();
  browser.send(
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\nOrigin: https://ui.example\r\n\r\n");
  const HttpAnswer preflight = browser.read();
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.fields.at("access-control-allow-origin"), "https://ui.example");
  const HttpAnswer refused = browser.get("/version", "Origin: https://ui.example\r\n");
  EXPECT_EQ(refused.status, 401) << "a page is told why, too";
  EXPECT_EQ(refused.fields.at("access-control-allow-origin"), "https://ui.example");
  EXPECT_FALSE(browser.get("/version", "Origin: https://evil\r\n")
                   .fields.contains("access-control-allow-origin"));
}

TEST(Router, keys_may_change_while_it_runs) {
  TestServerOptions options;
  options.keys.add("old");
  TestServer server(options);
  auto client = server.client();
  server.on_server([&] {
    server.keys = {};
    server.keys.add("new");
  });
  EXPECT_EQ(client.get("/version", "Authorization: Bearer old\r\n").status, 401);
  EXPECT_EQ(client.get("/version", "Authorization: Bearer new\r\n").status, 200);
}

TEST(Router, bodies_are_json_and_not_encoded) {
  TestServer server;
  auto client = server.client();
  const auto status = [&](const std::string& fields) {
    const std::string body = R"({"prompt":"a"})";
    client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\n" + fields +
                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return client.read().status;
  };
  for (const char* good :
       {"", "Content-Type: application/json\r\n",
        "Content-Type: Application/JSON; charset=utf-8\r\n",
        "Content-Type: application/vnd.x+json\r\n", "Content-Encoding: identity\r\n"}) {
    EXPECT_EQ(status(good), 200) << good;
  }
  for (const char* bad :
       {"Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Encoding: gzip\r\n", "Origin: https://evil\r\n"}) {
    EXPECT_EQ(status(bad), 400) << bad << ": some clients retry 415";
  }
}

TEST(Router, whole_answers_are_packed_for_who_asks_and_streams_never) {
  TestServer server;
  server.engine.answer = std::string(3000, 'a');
  server.engine.tokens_a_turn = 3000;
  auto client = server.client();
  const std::string gzip = "Accept-Encoding: gzip, deflate\r\n";
  const std::string body = R"({"prompt":"a","max_tokens":3000)";
  const HttpAnswer packed = client.post("/v1/completions", body + "}", gzip);
  EXPECT_EQ(packed.fields.at("content-encoding"), "gzip");
  EXPECT_LT(packed.body.size(), 1000u);
  const HttpAnswer stream = client.post("/v1/completions", body + R"(,"stream":true})", gzip);
  EXPECT_FALSE(stream.fields.contains("content-encoding"));
  EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n"));
}

TEST(Router, an_upgrade_to_http_2_is_passed_over) {
  TestServer server;
  auto client = server.client();
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
      "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
      "Transfer-Encoding: chunked\r\n\r\ne\r\n{\"prompt\":\"a\"}\r\n0\r\n\r\n");
  const HttpAnswer answer = client.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(client.get("/livez").status, 200) << "the connection goes on";
}

TEST(Router, readiness_follows_the_engine) {
  TestServer server;
  server.engine.ready = {false, "no_capacity", "No decode instance is there."};
  auto client = server.client();
  for (const char* path : {"/health", "/readyz"}) {
    const HttpAnswer answer = client.get(path);
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.fields.contains("retry-after"));
  }
  EXPECT_EQ(client.get("/livez").status, 200);
}

TEST(Router, a_draining_server_refuses_new_work_and_still_answers_questions) {
  TestServer server;
  server.on_server([&] { server.router.drain(); });
  auto client = server.client();
  const HttpAnswer refused = client.post("/v1/completions", R"({"prompt":"a"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(Json::parse(refused.body)["error"]["code"], "draining");
  EXPECT_EQ(client.get("/livez").status, 200);
}

TEST(Router, big_bodies_are_tokenized_too) {
  TestServer server;
  auto client = server.client();
  const std::string body = Json{{"prompt", std::string(100'000, 'a')}}.dump();
  EXPECT_EQ(Json::parse(client.post("/tokenize", body).body)["count"], 100'001);
  EXPECT_EQ(client.post("/detokenize", R"({"tokens":[104]})").body,
            R"({"prompt":"h","content":"h"})");
}

TEST(Router, answers_are_counted) {
  TestServer server;
  auto client = server.client();
  client.get("/version");
  client.get("/nothing");
  EXPECT_NE(client.get("/metrics")
                .body.find(R"(baton_http_requests_total{path="/version",status="200"} 1)"),
            std::string::npos);
}

}  // namespace
}  // namespace baton::server
