#include "server/inference/speaker.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server {
namespace {

using Model = testing::FakeModel;

struct Heard {
  std::vector<rpc::ChatDelta> deltas;
  std::optional<rpc::Usage> usage;
};

class Sink final : public rpc::ChatSink {
 public:
  explicit Sink(Heard& heard) : heard_(heard) {}
  void send(rpc::ChatDelta delta) override { heard_.deltas.push_back(std::move(delta)); }
  void finish(const rpc::Usage& usage) override { heard_.usage = usage; }
  void refuse(const rpc::Refusal&) override {}
  void on_cancel(std::function<void()>) override {}

 private:
  Heard& heard_;
};

struct SpeakerTest : ::testing::Test {
  SpeakerTest() {
    prepared.request.choices = 1;
    prepared.rules.splits_reasoning = prepared.rules.parses_calls = true;
    prepared.rules.tools = {"f", "g"};
    speaker = chat_speaker(std::make_unique<Sink>(heard), model, {1, 2, 3});
  }
  void say(TokenId token, std::string text, std::optional<FinishReason> finish = {}) {
    TokenEvent event;
    event.token = token;
    event.text = std::move(text);
    event.logprob = -0.5f;
    event.finish = finish;
    speaker->say({&event, 1});
  }

  Model model = Model().make_special();
  Heard heard;
  api::Prepared prepared;
  std::unique_ptr<Speaker> speaker;
};

TEST_F(SpeakerTest, reasoning_is_told_apart_and_counted) {
  prepared.rules.begins_reasoning = true;
  speaker->begin(prepared);
  say('a', "hm");
  say(Model::kThought, "");
  say('b', "yes", FinishReason::stop);
  speaker->finish({.prompt_tokens = 4, .completion_tokens = 3});
  ASSERT_EQ(heard.deltas.size(), 2u);
  EXPECT_EQ(heard.deltas[0].reasoning, "hm");
  EXPECT_EQ(heard.deltas[1].content, "yes");
  EXPECT_EQ(heard.deltas[1].finish, rpc::ChatFinish::stop);
  EXPECT_GE(heard.usage->reasoning_tokens, 1u);
  EXPECT_EQ(heard.usage->prompt_tokens, 4u);
}

TEST_F(SpeakerTest, calls_of_tools_have_an_id_a_name_and_arguments_in_pieces) {
  speaker->begin(prepared);
  say(Model::kCalls, "");
  say(Model::kCall, "");
  say('f', "f");
  say(Model::kSep, "");
  say('{', "{\"a\":");
  say('1', "1}");
  say(Model::kCallEnd, "");
  say(Model::kCallsEnd, "");
  say(Model::kEnd, "", FinishReason::stop);
  std::string name, id, arguments;
  for (const auto& delta : heard.deltas) {
    for (const auto& call : delta.tool_calls) {
      EXPECT_EQ(call.index, 0u);
      name += call.name;
      id += call.id;
      arguments += call.arguments;
    }
  }
  EXPECT_EQ(name, "f");
  EXPECT_TRUE(id.starts_with("call_")) << id;
  EXPECT_EQ(arguments, "{\"a\":1}");
  EXPECT_EQ(heard.deltas.back().finish, rpc::ChatFinish::tool_calls);
}

TEST_F(SpeakerTest, nothing_is_sent_where_nothing_is_said_unless_scores_were_asked_for) {
  speaker->begin(prepared);
  say('a', "");
  EXPECT_TRUE(heard.deltas.empty());
  prepared.request.report.logprobs = true;
  speaker->begin(prepared);
  say('a', "");
  ASSERT_EQ(heard.deltas.size(), 1u);
  EXPECT_EQ(heard.deltas[0].scores[0].token, TokenId{'a'});
  EXPECT_FLOAT_EQ(heard.deltas[0].scores[0].logprob, -0.5f);
}

TEST(Refusals, an_error_of_the_api_keeps_all_that_a_client_can_act_on) {
  const auto full = to_refusal(api::to_api(fail(ErrorCode::resource_exhausted, "Full."), 3s));
  EXPECT_EQ(full.error.code, ErrorCode::resource_exhausted);
  EXPECT_EQ(full.retry_after, Duration(3s));
  const auto bad = to_refusal(api::bad_value("n", "No."));
  EXPECT_EQ(bad.error.code, ErrorCode::invalid_argument);
  EXPECT_EQ(bad.error.param, "n");
  EXPECT_EQ(bad.reason, "invalid_value");
  EXPECT_FALSE(bad.retry_after);
  EXPECT_EQ(to_refusal(api::model_not_found("x")).error.code, ErrorCode::not_found);
  EXPECT_EQ(to_refusal(api::unavailable("draining", "Bye.", 5)).error.code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace baton::server
