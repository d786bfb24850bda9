#include "server/api/dialects/responses_answer.h"

#include <gtest/gtest.h>

#include "tests/server/support/answers.h"

namespace baton::server::api {
namespace {

using testing::events_in;
using testing::special_events_of;

const testing::FakeModel kModel = testing::FakeModel().make_special();
const std::string kAll =
    "<think>so</think>well<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\":1}"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
const std::string kBroken =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{oops}<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜>";
const std::string kTools = R"(,"tools":[{"type":"function","name":"f"}])";

std::string answer(const std::string& members, std::string_view text,
                   FinishReason finish = FinishReason::stop) {
  return testing::answered(Dialect::responses, R"({"input":"x")" + members + "}", kModel,
                           special_events_of(kModel, text, finish));
}

TEST(ResponsesAnswer, a_whole_one_has_an_item_for_each_part) {
  const Json json = Json::parse(answer(kTools + R"(,"metadata":{"a":"b"})", kAll));
  EXPECT_EQ(json["object"], "response");
  EXPECT_EQ(json["status"], "completed");
  EXPECT_EQ(json["store"], false) << "it can't be got again";
  EXPECT_EQ(Json::parse(answer(R"(,"store":false)", "a"))["store"], false);
  EXPECT_EQ(json["metadata"]["a"], "b");
  EXPECT_EQ(json["temperature"], 1.0);
  ASSERT_EQ(json["output"].size(), 3u);
  EXPECT_EQ(json["output"][0]["type"], "reasoning");
  EXPECT_EQ(json["output"][0]["content"][0]["text"], "so");
  EXPECT_EQ(json["output"][1]["content"][0],
            Json::parse(R"({"type":"output_text","text":"well","annotations":[],"logprobs":[]})"));
  EXPECT_EQ(json["output"][2]["name"], "f");
  EXPECT_EQ(json["output"][2]["arguments"], R"({"a":1})");
  EXPECT_TRUE(json["output"][2]["call_id"].get<std::string>().starts_with("call_"));
  EXPECT_EQ(json["usage"]["output_tokens_details"]["reasoning_tokens"], 2);
  EXPECT_EQ(json["usage"]["total_tokens"],
            json["usage"]["input_tokens"].get<int>() + json["usage"]["output_tokens"].get<int>());
}

TEST(ResponsesAnswer, says_the_models_own_sampling_where_none_was_asked_for) {
  testing::FakeModel model;
  model.edit().sampling.temperature = 0.6f;
  model.edit().sampling.top_p = 0.95f;
  const Json json = Json::parse(testing::answered(
      Dialect::responses, R"({"input":"x","top_p":0.5})", model, special_events_of(model, "a")));
  EXPECT_EQ(json["temperature"], 0.6);
  EXPECT_EQ(json["top_p"], 0.5);
}

TEST(ResponsesAnswer, one_that_was_cut_off_is_incomplete) {
  const Json json = Json::parse(answer("", "we", FinishReason::length));
  EXPECT_EQ(json["status"], "incomplete");
  EXPECT_EQ(json["incomplete_details"]["reason"], "max_output_tokens");
}

TEST(ResponsesAnswer, a_stream_has_the_events_that_clients_wait_for_in_order) {
  std::vector<std::string> types;
  uint64_t sequence = 0;
  std::string text, arguments;
  for (const Json& event : events_in(answer(kTools + R"(,"stream":true)", kAll))) {
    EXPECT_EQ(event["sequence_number"], sequence++);
    std::string type = event["type"].get<std::string>().substr(sizeof("response.") - 1);
    if (type == "output_text.delta") text += event["delta"].get<std::string>();
    if (type == "function_call_arguments.delta") arguments += event["delta"].get<std::string>();
    if (types.empty() || types.back() != type) types.push_back(std::move(type));
  }
  EXPECT_EQ(types, (std::vector<std::string>{
                       "created", "in_progress", "output_item.added", "content_part.added",
                       "reasoning_text.delta", "reasoning_text.done", "content_part.done",
                       "output_item.done", "output_item.added", "content_part.added",
                       "output_text.delta", "output_text.done", "content_part.done",
                       "output_item.done", "output_item.added", "function_call_arguments.delta",
                       "function_call_arguments.done", "output_item.done", "completed"}));
  EXPECT_EQ(text, "well");
  EXPECT_EQ(arguments, R"({"a":1})");
}

TEST(ResponsesAnswer, a_stream_takes_no_broken_call_for_a_whole_one) {
  for (const std::string& text :
       {kBroken, kAll.substr(0, kAll.find("1}")).substr(kAll.find("<｜"))}) {
    const auto events = events_in(answer(kTools + R"(,"stream":true)", text));
    std::string said;
    std::vector<std::string> ended;
    for (const Json& event : events) {
      const auto type = event["type"].get<std::string>();
      EXPECT_NE(type, "response.function_call_arguments.done");
      if (type == "response.output_text.delta") said += event["delta"].get<std::string>();
      if (type == "response.output_item.done") ended.push_back(event["item"]["status"]);
    }
    EXPECT_EQ(ended, (std::vector<std::string>{"incomplete", "completed"}));
    EXPECT_EQ(said, text);
    const Json& output = events.back()["response"]["output"];
    ASSERT_EQ(output.size(), 1u);
    EXPECT_EQ(output[0]["content"][0]["text"], text) << "as the whole answer has it";
  }
}

TEST(ResponsesAnswer, the_last_event_has_what_the_whole_answer_would) {
  const auto events = events_in(answer(kTools + R"(,"stream":true)", kAll));
  EXPECT_EQ(events.back()["response"], Json::parse(answer(kTools, kAll)));
  const auto done = [&](size_t index) {
    for (const Json& event : events) {
      if (event["type"] == "response.output_item.done" && event["output_index"] == index) {
        return event["item"];
      }
    }
    return Json();
  };
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(done(i), events.back()["response"]["output"][i]);
}

TEST(ResponsesAnswer, its_items_can_be_kept_by_their_ids) {
  for (const char* stream : {"", R"(,"stream":true)"}) {
    const auto prepared =
        testing::prepared_of(Dialect::responses, R"({"input":"x")" + kTools + stream + "}", kModel);
    const auto made = make_answer(prepared, kModel, testing::kAnswerName);
    std::string out;
    made->tokens(0, special_events_of(kModel, kAll), out);
    made->finish(0, "", out);
    const auto items = made->items();
    ASSERT_EQ(items.size(), 3u);
    for (const auto& [id, item] : items) EXPECT_EQ(Json::parse(item)["id"], id);
  }
}

TEST(ResponsesAnswer, an_empty_answer_has_an_empty_message) {
  const auto prepared =
      testing::prepared_of(Dialect::responses, R"({"input":"x","stream":true})", kModel);
  const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
  TokenEvent end;
  end.token = testing::FakeModel::kEnd;
  end.finish = FinishReason::stop;
  std::string out;
  answer->tokens(0, std::span(&end, 1), out);
  answer->finish(0, "", out);
  EXPECT_EQ(events_in(out).back()["response"]["output"][0]["content"][0]["text"], "");
}

TEST(ResponsesAnswer, logprobs_go_with_the_text_they_are_of) {
  const Json whole = Json::parse(answer(R"(,"top_logprobs":1)", "ab"));
  EXPECT_EQ(whole["output"][0]["content"][0]["logprobs"].size(), 2u);
  for (const Json& event : events_in(answer(R"(,"top_logprobs":1,"stream":true)", "ab"))) {
    if (event["type"] != "response.output_text.delta") continue;
    EXPECT_EQ(event["logprobs"][0]["token"], event["delta"]);
  }
}

TEST(ResponsesAnswer, a_failed_stream_says_so_in_both_ways) {
  const auto prepared =
      testing::prepared_of(Dialect::responses, R"({"input":"x","stream":true})", kModel);
  std::string out;
  make_answer(prepared, kModel, testing::kAnswerName)
      ->fail(unavailable("no_capacity", "Lost.", 1), out);
  const auto events = events_in(out);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[2]["type"], "response.failed");
  EXPECT_EQ(events[2]["response"]["error"]["message"], "Lost.");
  EXPECT_EQ(events[3]["message"], "Lost.");
  EXPECT_EQ(events[3]["error"]["code"], "no_capacity");
}

}  // namespace
}  // namespace baton::server::api
