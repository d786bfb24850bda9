#include "server/routes/request_meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Instant kArrived{};

struct RequestMeterTest : ::testing::Test {
  void ask(size_t prompt_tokens, uint32_t choices, uint32_t max_tokens = 16) {
    RequestState state;
    state.prompt.resize(prompt_tokens);
    state.choices = choices;
    state.stop.max_tokens = max_tokens;
    meter.asked(state);
  }
  void tokens(size_t prompt, const std::vector<ChoiceIndex>& choices, Duration at) {
    std::vector<TokenEvent> events;
    for (const ChoiceIndex choice : choices) events.emplace_back().choice = choice;
    meter.tokens(prompt, events, kArrived + at);
  }
  std::string shown(const char* family) const {
    return std::string(family) + R"({engine="0",model_name="m"} )";
  }
  std::string ended(const char* reason) const {
    return std::string(R"(vllm:request_success_total{engine="0",finished_reason=")") + reason +
           R"(",model_name="m"} )";
  }

  Metrics metrics;
  ServingMetrics serving{metrics, "m"};
  RequestMeter meter{serving, kArrived};
};

TEST_F(RequestMeterTest, the_time_between_tokens_is_that_of_one_choice) {
  ask(3, 2);
  ask(4, 1);
  tokens(0, {0, 1}, 1s);
  tokens(1, {0}, 2s);
  tokens(0, {0, 1}, 5s);  // 4 s each
  tokens(1, {0}, 8s);     // 6 s
  const std::string text = serving.render({});
  EXPECT_THAT(text, HasSubstr(shown("vllm:inter_token_latency_seconds_count") + "3"));
  EXPECT_THAT(text, HasSubstr(shown("vllm:inter_token_latency_seconds_sum") + "14"));
  EXPECT_THAT(text, HasSubstr(shown("vllm:time_to_first_token_seconds_count") + "2"));
  EXPECT_THAT(text, HasSubstr(shown("vllm:time_to_first_token_seconds_sum") + "3"));
  EXPECT_EQ(meter.first_token(1), Duration(2s));
}

TEST_F(RequestMeterTest, tokens_of_a_choice_that_come_together_share_their_step) {
  ask(3, 2);
  tokens(0, {0, 1}, 1s);
  tokens(0, {0, 1, 0, 1, 1, 1}, 5s);
  const std::string text = serving.render({});
  EXPECT_THAT(text, HasSubstr(shown("vllm:inter_token_latency_seconds_count") + "6"));
  EXPECT_THAT(text, HasSubstr(shown("vllm:inter_token_latency_seconds_sum") + "8"));
  EXPECT_THAT(text, HasSubstr(shown("vllm:generation_tokens_total") + "8"));
}

TEST_F(RequestMeterTest, what_was_refused_adds_nothing_but_its_reason) {
  ask(3, 2);
  meter.failed(api::to_api(fail(ErrorCode::resource_exhausted, "Full.")), kArrived + 1s);
  const std::string text = serving.render({});
  EXPECT_THAT(text, HasSubstr(R"(baton_requests_rejected_total{reason="queue_full"} 1)"));
  EXPECT_THAT(text, HasSubstr(shown("vllm:prompt_tokens_total") + "0"));
  EXPECT_THAT(text, HasSubstr(shown("vllm:request_params_n_count") + "0"));
  EXPECT_THAT(text, Not(HasSubstr("finished_reason")));
}

TEST_F(RequestMeterTest, reasons_are_few_whatever_went_wrong) {
  const std::pair<api::ApiError, const char*> cases[] = {
      {api::bad_value("n", "No."), "invalid"},
      {api::model_not_found("x"), "not_found"},
      {api::unavailable("draining", "Bye.", 5), "draining"},
      {api::unavailable("starting", "Soon.", 5), "no_capacity"},
      {api::to_api(fail(ErrorCode::deadline_exceeded, "Late.")), "deadline_exceeded"},
      {api::to_api(fail(ErrorCode::internal, "Oh.")), "internal_error"}};
  for (const auto& [error, reason] : cases) {
    meter.failed(error, kArrived);
    EXPECT_THAT(serving.render({}), HasSubstr(std::string(reason) + "\"} 1"));
  }
}

TEST_F(RequestMeterTest, each_prompt_is_counted_once_and_ends_for_its_own_reason) {
  ask(3, 1);
  ask(4, 1);
  ask(5, 1, 0);
  tokens(0, {0}, 1s);
  TokenEvent last;
  last.finish = FinishReason::length;
  meter.tokens(1, {&last, 1}, kArrived + 1s);
  meter.alive(2);
  EXPECT_THAT(serving.render({}), HasSubstr(shown("vllm:prompt_tokens_total") + "12"));
  for (const size_t prompt : {0, 1, 2}) meter.finished(prompt, Timeline(), kArrived + 2s);
  meter.left(kArrived + 3s);
  const std::string text = serving.render({});
  EXPECT_THAT(text, HasSubstr(ended("stop") + "1"));
  EXPECT_THAT(text, HasSubstr(ended("length") + "2"));
  EXPECT_THAT(text, Not(HasSubstr("\"abort\"")));
  EXPECT_THAT(text, HasSubstr(shown("vllm:e2e_request_latency_seconds_count") + "3"));
}

TEST_F(RequestMeterTest, what_breaks_off_ends_as_an_error_and_what_is_left_as_an_abort) {
  ask(3, 1);
  ask(3, 1);
  tokens(0, {0}, 1s);
  meter.finished(0, Timeline(), kArrived + 2s);
  meter.failed(api::unavailable("no_capacity", "Gone.", 1), kArrived + 2s);
  EXPECT_THAT(serving.render({}), HasSubstr(ended("error") + "1"));
  RequestMeter other(serving, kArrived);
  other.asked(RequestState());
  other.left(kArrived + 1s);
  EXPECT_THAT(serving.render({}), HasSubstr(ended("abort") + "1"));
}

}  // namespace
}  // namespace baton::server
