#include "server/inference/inference_front.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/server/support/fake_engine.h"

namespace baton::server {
namespace {

using testing::FakeEngine;
using testing::FakeModel;

struct Heard {
  std::string text, reasoning;
  rpc::ChatFinish finish = rpc::ChatFinish::none;
  std::optional<rpc::Usage> usage;
  std::optional<Error> error;
  std::string why;
  Duration retry_after{};
  std::function<void()> cancel;
};

template <class Event>
class FakeSink final : public rpc::AnswerSink<Event> {
 public:
  explicit FakeSink(Heard& heard) : heard_(heard) {}
  void send(Event event) override {
    if constexpr (std::is_same_v<Event, TokenEvent>) {
      heard_.text += event.text;
    } else {
      heard_.text += event.content;
      heard_.reasoning += event.reasoning;
      if (event.finish != rpc::ChatFinish::none) heard_.finish = event.finish;
    }
  }
  void finish(const rpc::Usage& usage) override { heard_.usage = usage; }
  void refuse(const rpc::Refusal& refusal) override {
    heard_.error = refusal.error;
    heard_.why = refusal.reason;
    heard_.retry_after = refusal.retry_after.value_or(Duration{});
  }
  void on_cancel(std::function<void()> callback) override { heard_.cancel = std::move(callback); }

 private:
  Heard& heard_;
};

class InferenceFrontTest : public ::testing::Test {
 protected:
  InferenceFrontTest()
      : engine(context.get_executor()),
        work(context.get_executor(), 1, 4),
        serving(metrics, "fake"),
        front({context.get_executor(),
               model,
               engine,
               clock,
               work,
               serving,
               [this] { return ++drawn; },
               {}},
              keys) {}

  void generate(rpc::GenerateCall call, Heard& heard) {
    front.generate(std::move(call), std::make_unique<FakeSink<TokenEvent>>(heard));
  }
  void chat(rpc::ChatCall call, Heard& heard) {
    front.chat(std::move(call), std::make_unique<FakeSink<rpc::ChatDelta>>(heard));
  }
  template <class Done>
  void until(Done done) {
    while (!done()) context.run_one();
  }

  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{
      context.get_executor()};
  FakeModel model;
  FakeEngine engine;
  ManualClock clock;
  Metrics metrics;
  WorkQueue work;
  ServingMetrics serving;
  ApiKeys keys;
  uint64_t drawn = 0;
  InferenceFront front;
};

rpc::GenerateCall text_call() {
  rpc::GenerateCall call;
  call.model = "fake";
  call.prompt = std::string("ab");
  return call;
}

TEST_F(InferenceFrontTest, text_is_answered_token_by_token_with_usage) {
  Heard heard;
  generate(text_call(), heard);
  until([&] { return heard.usage.has_value(); });
  EXPECT_EQ(heard.text, "hello");
  EXPECT_EQ(heard.usage->prompt_tokens, 3u);
  EXPECT_EQ(heard.usage->completion_tokens, 5u);
  EXPECT_EQ(engine.seen[0].stop.max_tokens, 16u);
  EXPECT_NE(engine.seen[0].sampling.seed, 0u);
}

TEST_F(InferenceFrontTest, a_conversation_goes_through_the_template) {
  rpc::GenerateCall call;
  call.prompt = std::vector<rpc::ChatMessage>{{"user", "hi"}};
  Heard heard;
  generate(std::move(call), heard);
  until([&] { return heard.usage.has_value(); });
  EXPECT_EQ(model.decode(engine.seen[0].prompt, false), "user: hi\nassistant: ");
}

TEST_F(InferenceFrontTest, a_chat_comes_told_apart_with_its_reasoning_counted) {
  model.make_special();
  engine.answer = "hello";
  rpc::ChatCall call;
  call.turn.prompt = std::vector<rpc::ChatMessage>{{"user", "hi"}};
  Heard heard;
  chat(call, heard);
  until([&] { return heard.usage.has_value(); });
  EXPECT_EQ(heard.text, "hello");
  EXPECT_EQ(heard.finish, rpc::ChatFinish::stop);
  EXPECT_EQ(heard.usage->completion_tokens, 5u);
}

TEST_F(InferenceFrontTest, a_chat_keeps_the_rules_of_chats) {
  rpc::ChatCall call;
  call.turn.prompt = std::vector<rpc::ChatMessage>{{"user", "hi"}};
  call.tool_mode = rpc::ToolMode::required;  // but there are no tools
  Heard heard;
  chat(call, heard);
  until([&] { return heard.error.has_value(); });
  EXPECT_EQ(heard.error->code, ErrorCode::invalid_argument);
  EXPECT_EQ(heard.error->param, "tool_choice");
  EXPECT_EQ(heard.why, "invalid_value");
}

TEST_F(InferenceFrontTest, text_becomes_tokens_and_text_again) {
  std::optional<rpc::TokenizeAnswer> tokens;
  front.tokenize({"fake", std::string("ab"), false}, [&](auto answer) { tokens = *answer; });
  until([&] { return tokens.has_value(); });
  EXPECT_EQ(tokens->tokens, (std::vector<TokenId>{'a', 'b'}));
  EXPECT_EQ(tokens->context_tokens, 4096u);
  std::optional<std::string> text;
  front.detokenize({"fake", tokens->tokens}, [&](auto answer) { text = *answer; });
  until([&] { return text.has_value(); });
  EXPECT_EQ(*text, "ab");
  front.tokenize({"fake", std::vector<rpc::ChatMessage>{{"user", "x"}}, true},
                 [&](auto answer) { tokens = *answer; });
  until([&] { return tokens->tokens.size() > 2; });
  EXPECT_EQ(model.decode(tokens->tokens, false), "user: x\nassistant: ");
}

TEST_F(InferenceFrontTest, tokens_that_are_none_are_refused_by_name) {
  std::optional<Error> error;
  front.detokenize({"fake", {100'000}}, [&](auto answer) { error = answer.error().error; });
  until([&] { return error.has_value(); });
  EXPECT_EQ(error->param, "tokens");
  front.tokenize({"other", std::string("x"), false},
                 [&](auto answer) { error = answer.error().error; });
  until([&] { return error->param == "model"; });
  EXPECT_EQ(error->code, ErrorCode::not_found);
}

TEST_F(InferenceFrontTest, every_field_reaches_the_request) {
  rpc::GenerateCall call;
  call.prompt = std::vector<TokenId>{1, 2};
  call.choices = 2;
  call.given = {true, true, true, true, true, true, true, true};
  call.max_tokens_given = true;
  call.sampling = {0.1f, 0.3f, 7, 0.2f, 1.5f, -1.5f, 1.1f, ~uint64_t{0}, {{3, -2.5f}, {9, 1}}};
  call.stop = {4, 2, true, {"x"}, {5}, true};
  call.report = {true, 3, false, true};
  call.priority = -2;
  call.time_left = 3s;
  Heard heard;
  generate(call, heard);
  until([&] { return heard.usage.has_value(); });
  const RequestState& state = engine.seen[0];
  EXPECT_EQ(state.prompt, (std::vector<TokenId>{1, 2}));
  EXPECT_EQ(state.choices, 2u);
  EXPECT_EQ(state.sampling, call.sampling);
  EXPECT_EQ(state.stop, call.stop);
  EXPECT_EQ(state.report, call.report);
  EXPECT_EQ(state.priority, -2);
  EXPECT_EQ(state.time_left, Duration(3s));
}

TEST_F(InferenceFrontTest, the_models_own_defaults_stand_where_nothing_is_given) {
  model.edit().sampling = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 40, .min_p = 0.1f};
  rpc::GenerateCall call = text_call();
  call.sampling.min_p = 0;
  call.given.min_p = true;
  Heard heard;
  generate(std::move(call), heard);
  until([&] { return heard.usage.has_value(); });
  const SamplingParams& sampling = engine.seen[0].sampling;
  EXPECT_FLOAT_EQ(sampling.temperature, 0.6f);
  EXPECT_FLOAT_EQ(sampling.top_p, 0.95f);
  EXPECT_EQ(sampling.top_k, 40u);
  EXPECT_EQ(sampling.min_p, 0);
}

TEST_F(InferenceFrontTest, the_rules_are_those_of_http) {
  rpc::GenerateCall hot = text_call();
  hot.sampling.temperature = 9;
  hot.given.temperature = true;
  rpc::GenerateCall other = text_call();
  other.model = "other";
  Heard first, second;
  generate(hot, first);
  generate(other, second);
  until([&] { return first.error && second.error; });
  EXPECT_EQ(first.error->code, ErrorCode::invalid_argument);
  EXPECT_EQ(first.error->param, "temperature");
  EXPECT_EQ(second.error->code, ErrorCode::not_found);
}

TEST_F(InferenceFrontTest, a_full_cluster_says_when_to_come_again) {
  engine.failure = api::to_api(fail(ErrorCode::resource_exhausted, "Full."), 3s);
  Heard heard;
  generate(text_call(), heard);
  until([&] { return heard.error.has_value(); });
  EXPECT_EQ(heard.error->code, ErrorCode::resource_exhausted);
  EXPECT_EQ(heard.retry_after, Duration(3s));
}

TEST_F(InferenceFrontTest, a_client_that_leaves_cancels) {
  engine.hold = true;
  Heard heard;
  generate(text_call(), heard);
  until([&] { return engine.running() == 1; });
  heard.cancel();
  until([&] { return engine.cancelled == 1; });
  EXPECT_EQ(front.calls(), 0u);
}

TEST_F(InferenceFrontTest, a_key_is_needed_when_keys_are_set) {
  EXPECT_TRUE(front.allows(""));
  keys.add("secret");
  EXPECT_FALSE(front.allows(""));
  EXPECT_FALSE(front.allows("secre"));
  EXPECT_TRUE(front.allows("secret"));
  EXPECT_THAT(serving.render({}), ::testing::HasSubstr("baton_auth_failures_total 2"));
}

TEST_F(InferenceFrontTest, says_in_the_metrics_where_the_time_went) {
  Heard heard;
  generate(text_call(), heard);
  until([&] { return heard.usage.has_value(); });
  EXPECT_THAT(serving.render({}),
              ::testing::HasSubstr("vllm:request_prefill_time_seconds_count{engine=\"0\","
                                   "model_name=\"fake\"} 1"));
}

TEST_F(InferenceFrontTest, times_each_choice_and_counts_what_was_refused_as_that_alone) {
  engine.hold = true;
  rpc::GenerateCall call = text_call();
  call.choices = 2;
  Heard heard, full;
  generate(call, heard);
  until([&] { return engine.running() == 1; });
  for (size_t i = 0; i < 2; ++i) {
    clock.advance(3s);
    engine.push({testing::events_of("hello", 0, FinishReason::length)[i],
                 testing::events_of("hello", 1, FinishReason::length)[i]});
  }
  engine.hold = false;
  engine.failure = api::to_api(fail(ErrorCode::resource_exhausted, "Full."), 3s);
  generate(text_call(), full);
  until([&] { return full.error.has_value(); });
  const std::string text = serving.render({});
  const std::string labels = R"({engine="0",model_name="fake"} )";
  EXPECT_THAT(text, ::testing::HasSubstr("vllm:inter_token_latency_seconds_sum" + labels + "6"));
  EXPECT_THAT(text, ::testing::HasSubstr("vllm:inter_token_latency_seconds_count" + labels + "2"));
  EXPECT_THAT(text, ::testing::HasSubstr("vllm:request_prompt_tokens_count" + labels + "1"));
  EXPECT_THAT(text,
              ::testing::HasSubstr(R"(baton_requests_rejected_total{reason="queue_full"} 1)"));
}

TEST_F(InferenceFrontTest, a_model_is_told_by_all_its_names) {
  model.edit().aliases = {"also"};
  const auto models = front.models();
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].name, "fake");
  EXPECT_EQ(models[1].name, "also");
  EXPECT_EQ(models[1].context_tokens, models[0].context_tokens);
}

TEST_F(InferenceFrontTest, a_draining_front_refuses) {
  front.drain();
  Heard heard;
  generate(text_call(), heard);
  EXPECT_EQ(heard.error->code, ErrorCode::unavailable);
  EXPECT_EQ(front.models()[0].name, "fake");
}

}  // namespace
}  // namespace baton::server
