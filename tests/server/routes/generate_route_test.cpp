#include "server/routes/generate_route.h"

#include <gtest/gtest.h>

#include "tests/server/support/test_server.h"

namespace baton::server {
namespace {

using testing::HttpAnswer;
using testing::HttpClient;
using testing::TestServer;
using testing::TestServerOptions;
using Json = nlohmann::json;

const std::string kChat = R"("messages":[{"role":"user","content":"hi"}])";

void send_post(HttpClient& client, const std::string& path, const std::string& body) {
  client.send("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
}

// What `vllm bench serve` does with a stream: splits at empty lines, wants "data: " in front of
// each event, times the first chunk with choices, reads usage only where choices are empty.
struct BenchView {
  std::string text;
  int timed_chunks = 0;
  std::optional<uint64_t> completion_tokens;
  bool done = false;
};
BenchView read_as_vllm_bench(const HttpAnswer& answer) {
  BenchView view;
  std::string_view rest = answer.body;
  while (!rest.empty()) {
    const size_t end = rest.find("\n\n");
    EXPECT_NE(end, std::string_view::npos) << "an event without its end";
    if (end == std::string_view::npos) break;
    const std::string_view message = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (message.starts_with(":")) continue;
    EXPECT_TRUE(message.starts_with("data: ")) << message;
    EXPECT_EQ(message.find('\r'), std::string_view::npos);
    const auto data = message.substr(6);
    EXPECT_FALSE(view.done) << "an event behind [DONE]";
    if (data == "[DONE]") {
      view.done = true;
      continue;
    }
    const Json json = Json::parse(data);
    if (!json.at("choices").empty()) {
      const Json& choice = json["choices"][0];
      ++view.timed_chunks;
      if (choice.contains("delta")) {
        view.text += choice["delta"].value("content", "");
      } else {
        view.text += choice.value("text", "");
      }
    } else if (json.contains("usage")) {
      view.completion_tokens = json["usage"]["completion_tokens"].get<uint64_t>();
    }
  }
  return view;
}

TEST(GenerateRoute, a_chat_is_answered_whole) {
  TestServer server;
  auto client = server.client();
  const HttpAnswer answer = client.post("/v1/chat/completions", "{" + kChat + "}");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.fields.at("content-type"), "application/json");
  EXPECT_TRUE(answer.fields.contains("openai-processing-ms"));
  const Json json = Json::parse(answer.body);
  EXPECT_EQ(json["choices"][0]["message"]["content"], "hello");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["usage"]["completion_tokens"], 5);
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("chatcmpl-"));
}

TEST(GenerateRoute, a_stream_is_what_the_benchmarks_expect) {
  TestServer server;
  auto client = server.client();
  for (const char* path : {"/v1/chat/completions", "/v1/completions"}) {
    const std::string prompt =
        std::string(path).find("chat") != std::string::npos ? kChat : R"("prompt":"hi")";
    const HttpAnswer answer = client.post(
        path, "{" + prompt +
                  R"(,"stream":true,"stream_options":{"include_usage":true},"temperature":0.0,)"
                  R"("best_of":1,"ignore_eos":true,"repetition_penalty":1.0,"logprobs":null})");
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.complete);
    EXPECT_EQ(answer.fields.at("content-type"), "text/event-stream; charset=utf-8");
    EXPECT_EQ(answer.fields.at("cache-control"), "no-cache");
    EXPECT_EQ(answer.fields.at("x-accel-buffering"), "no");
    EXPECT_FALSE(answer.fields.contains("content-length"));
    const BenchView view = read_as_vllm_bench(answer);
    EXPECT_EQ(view.text, "hello");
    EXPECT_EQ(view.completion_tokens, 5u);
    EXPECT_TRUE(view.done);
    EXPECT_GE(view.timed_chunks, 5);
  }
}

TEST(GenerateRoute, nothing_of_a_stream_is_sent_before_its_first_token) {
  TestServer server;
  server.engine.failure = api::to_api(fail(ErrorCode::resource_exhausted, "Full."), 3s);
  auto client = server.client();
  const HttpAnswer answer = client.post("/v1/completions", R"({"prompt":"a","stream":true})");
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.fields.at("retry-after"), "3");
  EXPECT_EQ(Json::parse(answer.body)["error"]["code"], "queue_full");
}

TEST(GenerateRoute, a_stream_that_fails_says_so_and_is_ended_properly) {
  TestServer server;
  server.engine.failure = api::unavailable("no_capacity", "All workers are gone.", 1);
  server.engine.fail_after = 2;
  auto client = server.client();
  const HttpAnswer answer = client.post("/v1/chat/completions", "{" + kChat + R"(,"stream":true})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.complete);
  const size_t error = answer.body.find(R"(data: {"error":{"message":"All workers are gone.")");
  EXPECT_NE(error, std::string::npos);
  EXPECT_TRUE(answer.body.ends_with("}}\n\ndata: [DONE]\n\n"));
  EXPECT_EQ(answer.body.find("finish_reason\":\"stop"), std::string::npos);
}

TEST(GenerateRoute, a_whole_answer_that_fails_has_the_status) {
  TestServer server;
  server.engine.failure = api::to_api(fail(ErrorCode::deadline_exceeded, "Too late."));
  server.engine.fail_after = 2;
  auto client = server.client();
  EXPECT_EQ(client.post("/v1/completions", R"({"prompt":"a"})").status, 504);
}

TEST(GenerateRoute, a_fault_of_ours_names_the_request) {
  TestServer server;
  server.engine.failure = api::to_api(fail(ErrorCode::internal, "It broke."));
  server.engine.fail_after = 0;
  auto client = server.client();
  const HttpAnswer answer = client.post("/v1/completions", R"({"prompt":"a"})");
  EXPECT_EQ(answer.status, 500);
  const std::string id = answer.fields.at("x-request-id");
  EXPECT_EQ(Json::parse(answer.body)["error"]["message"], "It broke. (request " + id + ")");
}

TEST(GenerateRoute, several_prompts_and_choices_come_as_one_answer) {
  TestServer server;
  auto client = server.client();
  const Json json =
      Json::parse(client.post("/v1/completions", R"({"prompt":["a","bc"],"n":2,"seed":5})").body);
  ASSERT_EQ(json["choices"].size(), 4u);
  for (const Json& choice : json["choices"]) EXPECT_EQ(choice["text"], "hello");
  EXPECT_EQ(json["usage"]["prompt_tokens"], 5);
  EXPECT_EQ(json["usage"]["completion_tokens"], 20);
  server.on_server([&] {
    EXPECT_EQ(server.engine.seen.size(), 2u);
    EXPECT_EQ(server.engine.seen[0].sampling.seed, 5u);
  });
}

TEST(GenerateRoute, a_seed_is_drawn_if_none_is_given) {
  TestServer server;
  auto client = server.client();
  client.post("/v1/completions", R"({"prompt":"a"})");
  client.post("/v1/completions", R"({"prompt":"a"})");
  server.on_server(
      [&] { EXPECT_NE(server.engine.seen[0].sampling.seed, server.engine.seen[1].sampling.seed); });
}

TEST(GenerateRoute, mistakes_are_400_and_name_the_parameter) {
  TestServer server;
  auto client = server.client();
  const std::pair<const char*, const char*> cases[] = {
      {R"({"prompt":"a","temperature":9})", "temperature"},
      {R"({"prompt":"a","guided_regex":"a("})", "guided_regex"},
      {R"({})", "prompt"}};
  for (const auto& [body, param] : cases) {
    const HttpAnswer answer = client.post("/v1/completions", body);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(Json::parse(answer.body)["error"]["param"], param);
  }
  EXPECT_EQ(Json::parse(client.post("/v1/completions", "{").body)["error"]["code"], "invalid_json");
  EXPECT_EQ(client.post("/v1/completions", R"({"prompt":"a","model":"b"})").status, 404);
}

TEST(GenerateRoute, big_bodies_are_prepared_elsewhere) {
  TestServerOptions options;
  options.generate.inline_body_bytes_max = 0;
  TestServer server(options);
  auto client = server.client();
  const Json json = Json::parse(client.post("/v1/completions", R"({"prompt":"a"})").body);
  EXPECT_EQ(json["choices"][0]["text"], "hello");
  EXPECT_EQ(client.post("/v1/completions", R"({"prompt":3})").status, 400);
}

TEST(GenerateRoute, explains_where_the_time_went) {
  TestServer server;
  server.engine.hold = true;
  auto client = server.client();
  send_post(client, "/v1/completions", R"({"prompt":"a","explain":true})");
  server.until([&] { return server.engine.running() == 1; });
  server.advance(5ms);
  server.on_server([&] { server.engine.release(); });
  const Json explained = Json::parse(client.read().body)["explain"];
  EXPECT_EQ(explained["first_token_ms"], 5.0);
  double sum = 0;
  for (const auto& part : explained["parts"]) sum += part["ms"].get<double>();
  EXPECT_EQ(sum, 5.0);
  const HttpAnswer by_header =
      client.post("/v1/completions", R"({"prompt":["a","b"]})", "X-Baton-Explain: 1\r\n");
  EXPECT_EQ(Json::parse(by_header.body)["explain"].size(), 2u);
}

TEST(GenerateRoute, a_prompt_is_scored_and_its_scores_are_told) {
  TestServer server;
  auto client = server.client();
  const Json json = Json::parse(
      client.post("/v1/completions", R"({"prompt":"ab","echo":true,"logprobs":1,"max_tokens":0})")
          .body);
  EXPECT_EQ(json["choices"][0]["text"], "ab");
  EXPECT_EQ(json["choices"][0]["logprobs"]["token_logprobs"], Json::parse("[null,-1.5,-1.5]"));
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
}

TEST(GenerateRoute, all_dialects_are_answered_under_all_their_paths) {
  TestServer server;
  auto client = server.client();
  const std::string message = R"({"max_tokens":9,)" + kChat + "}";
  for (const char* path : {"/v1/chat/completions", "/chat/completions", "/beta/chat/completions"}) {
    EXPECT_EQ(Json::parse(client.post(path, message).body)["object"], "chat.completion") << path;
  }
  for (const char* path : {"/v1/completions", "/completions", "/beta/completions"}) {
    EXPECT_EQ(Json::parse(client.post(path, R"({"prompt":"a"})").body)["object"],
              "text_completion");
  }
  for (const char* path : {"/v1/responses", "/responses"}) {
    EXPECT_EQ(
        Json::parse(client.post(path, R"({"input":"a"})").body)["output"][0]["content"][0]["text"],
        "hello");
  }
  for (const char* path : {"/v1/messages", "/messages", "/anthropic/v1/messages"}) {
    EXPECT_EQ(Json::parse(client.post(path, message).body)["content"][0]["text"], "hello");
  }
  EXPECT_EQ(client.post("/v1/messages/count_tokens", message).status, 200);
}

TEST(GenerateRoute, items_of_a_response_may_be_referred_to_unless_they_were_not_to_be_stored) {
  TestServer server;
  auto client = server.client();
  for (const bool store : {true, false}) {
    const Json first = Json::parse(
        client.post("/v1/responses", fmt::format(R"({{"input":"a","store":{}}})", store)).body);
    const std::string id = first["output"][0]["id"];
    const HttpAnswer second =
        client.post("/v1/responses",
                    R"({"input":[{"role":"user","content":"a"},{"type":"item_reference","id":")" +
                        id + R"("},{"role":"user","content":"b"}]})");
    EXPECT_EQ(second.status, store ? 200 : 400) << second.body;
  }
  server.on_server([&] {
    EXPECT_EQ(server.model.decode(server.engine.seen.at(1).prompt, false),
              "user: a\nassistant: hello\nuser: b\nassistant: ");
  });
}

TEST(GenerateRoute, errors_are_told_in_the_dialect_of_the_path) {
  TestServer server;
  auto client = server.client();
  const Json error = Json::parse(client.post("/v1/messages", "{}").body);
  EXPECT_EQ(error["type"], "error");
  EXPECT_EQ(error["error"]["type"], "invalid_request_error");
  EXPECT_EQ(Json::parse(client.get("/v1/messages").body)["type"], "error");
}

TEST(GenerateRoute, failed_streams_of_all_dialects_say_so) {
  TestServer server;
  server.engine.failure = api::unavailable("no_capacity", "All workers are gone.", 1);
  server.engine.fail_after = 2;
  auto client = server.client();
  for (const auto& [path, body] :
       {std::pair<const char*, std::string>("/v1/responses", R"({"input":"a","stream":true})"),
        {"/v1/messages", R"({"max_tokens":9,"stream":true,)" + kChat + "}"},
        {"/v1/completions", R"({"prompt":"a","stream":true})"}}) {
    const HttpAnswer answer = client.post(path, body);
    EXPECT_TRUE(answer.complete) << path;
    EXPECT_NE(answer.body.find("All workers are gone."), std::string::npos) << path;
  }
}

TEST(GenerateRoute, a_whole_answer_that_takes_long_keeps_its_client_waiting) {
  TestServerOptions options;
  options.generate.quiet_whole_max = 0s;
  TestServer server(options);
  server.engine.hold = true;
  auto client = server.client();
  send_post(client, "/v1/completions", R"({"prompt":"a"})");
  EXPECT_EQ(client.head().status, 200);
  EXPECT_EQ(client.chunk(), "\n");
  server.advance(20s);
  EXPECT_EQ(client.chunk(), "\n");
  server.on_server([&] { server.engine.release(); });
  EXPECT_EQ(Json::parse(*client.chunk())["choices"][0]["text"], "hello");
  EXPECT_EQ(client.chunk(), "");
}

TEST(GenerateRoute, a_whole_answer_that_fails_after_its_status_line_is_cut_off) {
  TestServerOptions options;
  options.generate.quiet_whole_max = 0s;
  TestServer server(options);
  server.engine.hold = true;
  auto client = server.client();
  send_post(client, "/v1/completions", R"({"prompt":"a"})");
  EXPECT_EQ(client.head().status, 200);
  EXPECT_EQ(client.chunk(), "\n");
  server.on_server([&] {
    server.engine.failure = api::unavailable("no_capacity", "Gone.", 1);
    server.engine.release();
  });
  EXPECT_EQ(client.chunk(), std::nullopt) << "no terminator: the client must not take it for whole";
}

TEST(GenerateRoute, one_failed_prompt_fails_the_answer_and_cancels_the_rest) {
  TestServer server;
  server.engine.hold = true;
  auto client = server.client();
  send_post(client, "/v1/completions", R"({"prompt":["a","b"]})");
  server.until([&] { return server.engine.running() == 2; });
  server.on_server([&] {
    server.engine.failure = api::unavailable("no_capacity", "Gone.", 1);
    server.engine.release();
  });
  EXPECT_EQ(client.read().status, 503);
  server.until([&] { return server.engine.running() == 0; });
  EXPECT_EQ(server.engine.cancelled, 1);
}

TEST(GenerateRoute, gaps_are_between_tokens_of_one_choice) {
  TestServer server;
  auto client = server.client();
  server.engine.answer = "abc";
  client.post("/v1/completions", R"({"prompt":["a","b"],"n":2})");
  const std::string text = client.get("/metrics").body;
  const std::string name =
      R"(vllm:inter_token_latency_seconds_count{engine="0",model_name="fake"})";
  EXPECT_NE(text.find(name + " 8"), std::string::npos) << "of four choices with three tokens each";
}

TEST(GenerateRoute, what_was_refused_is_not_counted_as_served) {
  TestServer server;
  server.engine.failure = api::unavailable("no_capacity", "Full.", 1);
  auto client = server.client();
  EXPECT_EQ(client.post("/v1/completions", R"({"prompt":"a"})").status, 503);
  const std::string name = R"(vllm:prompt_tokens_total{engine="0",model_name="fake"})";
  EXPECT_NE(client.get("/metrics").body.find(name + " 0"), std::string::npos);
}

TEST(GenerateRoute, requests_are_counted_by_how_they_ended) {
  TestServer server;
  auto client = server.client();
  client.post("/v1/completions", R"({"prompt":"a","max_tokens":2})");
  client.post("/v1/completions", R"({"prompt":"a"})");
  const std::string text = client.get("/metrics").body;
  for (const char* reason : {"length", "stop"}) {
    EXPECT_NE(
        text.find(fmt::format(
            R"(vllm:request_success_total{{engine="0",finished_reason="{}",model_name="fake"}} 1)",
            reason)),
        std::string::npos)
        << reason;
  }
}

TEST(GenerateRoute, choices_are_timed_apart_and_refused_requests_count_nothing) {
  TestServer server;
  server.engine.hold = true;
  auto client = server.client();
  send_post(client, "/v1/completions", R"({"prompt":["a","b"],"n":2,"max_tokens":5})");
  server.until([&] { return server.engine.running() == 2; });
  const auto say = [&] {
    server.advance(2s);
    server.on_server([&] {
      server.engine.push({testing::events_of("hello", 0, FinishReason::length)[0],
                          testing::events_of("hello", 1, FinishReason::length)[0]});
    });
  };
  const auto metrics = [&] {
    std::string text;
    server.on_server([&] { text = server.serving.render({}); });
    return text;
  };
  say();
  say();
  std::string text = metrics();
  const auto has = [&](const std::string& line) { return text.find(line) != std::string::npos; };
  const std::string labels = R"({engine="0",model_name="fake"} )";
  EXPECT_TRUE(has("vllm:inter_token_latency_seconds_count" + labels + "4")) << text;
  EXPECT_TRUE(has("vllm:inter_token_latency_seconds_sum" + labels + "8")) << text;
  EXPECT_TRUE(has("vllm:request_prompt_tokens_count" + labels + "2")) << text;
  server.on_server([&] {
    server.engine.hold = false;
    server.engine.failure = api::to_api(fail(ErrorCode::resource_exhausted, "Full."), 3s);
  });
  auto second = server.client();
  EXPECT_EQ(second.post("/v1/completions", R"({"prompt":"a"})").status, 429);
  text = metrics();
  EXPECT_TRUE(has("vllm:request_prompt_tokens_count" + labels + "2")) << text;
  EXPECT_TRUE(has(R"(baton_requests_rejected_total{reason="queue_full"} 1)")) << text;
}

TEST(GenerateRoute, a_thousand_streams_are_accepted_by_the_benchmarks_rules) {
  TestServer server;
  auto client = server.client();
  for (int i = 0; i < 1000; ++i) {
    server.on_server([&] {
      server.engine.answer = std::string(1 + i % 7, static_cast<char>('a' + i % 26));
      server.engine.tokens_a_turn = 1 + i % 3;
    });
    const HttpAnswer answer =
        client.post("/v1/chat/completions", "{" + kChat + R"(,"stream":true})");
    const BenchView view = read_as_vllm_bench(answer);
    ASSERT_EQ(view.text, server.engine.answer);
    ASSERT_TRUE(view.done && answer.complete);
  }
}

TEST(GenerateRoute, what_of_a_body_nobody_knows_is_counted_or_refused) {
  TestServer server;
  HttpClient client = server.client();
  const std::string body = "{" + kChat + R"(,"unknown_a":1,"unknown_b":null})";
  EXPECT_EQ(client.post("/v1/chat/completions", body).status, 200);
  EXPECT_EQ(client.post("/v1/chat/completions", "{" + kChat + "}").status, 200);
  const std::string metrics = client.get("/metrics").body;
  EXPECT_NE(metrics.find("baton_request_unknown_fields_total 2\n"), std::string::npos) << metrics;
  TestServerOptions options;
  options.generate.api.strict_fields = true;
  TestServer strict(options);
  const auto refused = strict.client().post("/v1/chat/completions", body);
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(Json::parse(refused.body)["error"]["param"], "unknown_a");
}

TEST(GenerateRoute, a_client_may_name_its_answer) {
  TestServer server;
  HttpClient client = server.client();
  const auto id = [&](const char* path, const std::string& members) {
    return Json::parse(client.post(path, "{" + members + R"(,"request_id":"mine"})").body)["id"];
  };
  EXPECT_EQ(id("/v1/chat/completions", kChat), "chatcmpl-mine");
  EXPECT_EQ(id("/v1/completions", R"("prompt":"a")"), "cmpl-mine");
  EXPECT_NE(id("/v1/responses", R"("input":"a")"), "resp_mine") << "its items can be referred to";
}

TEST(GenerateRoute, an_answer_says_what_it_was_made_by) {
  TestServer server;
  auto& decode = server.engine.view.instances.emplace_back();
  decode.manifest.model_fingerprint = "0123456789abcdef";
  decode.manifest.numeric_mode = "fast";
  HttpClient client = server.client();
  const auto answer = client.post("/v1/chat/completions", "{" + kChat + "}");
  EXPECT_EQ(Json::parse(answer.body)["system_fingerprint"], "fp_0123456789_fast1");
}

}  // namespace
}  // namespace baton::server
