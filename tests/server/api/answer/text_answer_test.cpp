#include "server/api/answer/text_answer.h"

#include <gtest/gtest.h>

#include "tests/server/support/answers.h"

namespace baton::server::api {
namespace {

using testing::events_in;
using testing::events_of;
using testing::kAnswerBits;

const testing::FakeModel kModel;

std::string text(const std::string& body, const std::vector<TokenEvent>& events) {
  return testing::answered(Dialect::text, body, kModel, events);
}

const std::string kUsage = R"("usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4,)"
                           R"("prompt_tokens_details":{"cached_tokens":0},)"
                           R"("completion_tokens_details":{"reasoning_tokens":0},)"
                           R"("prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":2})";

TEST(TextAnswer, a_whole_one_has_the_members_in_order) {
  EXPECT_EQ(text(R"({"prompt":"x"})", events_of("hi", 0, FinishReason::length)),
            R"({"id":"cmpl-)" + kAnswerBits +
                R"(","object":"text_completion","created":5,"model":"fake",)"
                R"("system_fingerprint":null,"choices":[)"
                R"({"index":0,"text":"hi","logprobs":null,"finish_reason":"length",)"
                R"("stop_reason":null}],)" +
                kUsage + "}");
}

TEST(TextAnswer, a_stream_ends_with_its_last_text) {
  const std::string head =
      R"(data: {"id":"cmpl-)" + kAnswerBits +
      R"(","object":"text_completion","created":5,"model":"fake","system_fingerprint":null,)"
      R"("choices":[{"index":0,"text":)";
  EXPECT_EQ(text(R"({"prompt":"x","stream":true})", events_of("hi")),
            head + R"("h","logprobs":null,"finish_reason":null,"stop_reason":null}]})" + "\n\n" +
                head + R"("i","logprobs":null,"finish_reason":"stop","stop_reason":null}]})" +
                "\n\ndata: [DONE]\n\n");
}

TEST(TextAnswer, tokens_without_text_are_no_events) {
  auto events = events_of("ab");
  events[0].text.clear();  // half a character
  EXPECT_EQ(text(R"({"prompt":"x","stream":true})", events).find(R"("text":"")"),
            std::string::npos);
}

TEST(TextAnswer, logprobs_have_offsets) {
  auto events = events_of("hi");
  events[0].top = {{120, -0.25f}};
  const std::string out = text(R"({"prompt":"x","logprobs":1,"stream":true})", events);
  EXPECT_NE(out.find(R"("logprobs":{"tokens":["h"],"token_logprobs":[-0.5],)"
                     R"("top_logprobs":[{"x":-0.25,"h":-0.5}],"text_offset":[0]})"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find(R"("text_offset":[1])"), std::string::npos);
}

TEST(TextAnswer, an_echo_is_in_front_of_each_choice) {
  EXPECT_EQ(
      Json::parse(text(R"({"prompt":"ab","echo":true})", events_of("c")))["choices"][0]["text"],
      "abc");
}

TEST(TextAnswer, an_echo_with_logprobs_has_those_of_the_prompt_in_front) {
  for (const bool stream : {false, true}) {
    const auto prepared = testing::prepared_of(
        Dialect::text,
        fmt::format(R"({{"prompt":[97,98],"echo":true,"logprobs":1,"n":2,"stream":{}}})", stream),
        kModel);
    const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
    answer->scores(0, {1, {{{98, -1.5f}, 2, {{99, -0.25f}}}}});
    std::string out;
    answer->tokens(0, events_of("c", 0), out);
    answer->tokens(0, events_of("d", 1), out);
    answer->finish(0, "", out);
    for (size_t i = 0; i < 2; ++i) {
      const Json choice = stream ? events_in(out)[i]["choices"][0] : Json::parse(out)["choices"][i];
      EXPECT_EQ(choice["index"], i);
      EXPECT_EQ(choice["text"], i == 0 ? "abc" : "abd");
      EXPECT_EQ(choice["logprobs"]["tokens"], Json({"a", "b", i == 0 ? "c" : "d"}));
      EXPECT_EQ(choice["logprobs"]["token_logprobs"], Json::parse("[null,-1.5,-0.5]"));
      EXPECT_EQ(choice["logprobs"]["top_logprobs"][1], Json::parse(R"({"c":-0.25,"b":-1.5})"));
      EXPECT_EQ(choice["logprobs"]["text_offset"], Json::parse("[0,1,2]"));
    }
  }
}

TEST(TextAnswer, offsets_stay_inside_the_text_where_a_character_has_several_tokens) {
  const auto prepared = testing::prepared_of(
      Dialect::text, R"({"prompt":[195,169,98],"echo":true,"logprobs":0})", kModel);
  const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
  answer->scores(0, {1, {{{169, -1.5f}, 1, {}}, {{98, -1.5f}, 1, {}}}});
  std::string out;
  answer->tokens(0, events_of("c", 0), out);
  answer->finish(0, "", out);
  const Json choice = Json::parse(out)["choices"][0];
  EXPECT_EQ(choice["text"], "\u00e9bc");
  EXPECT_EQ(choice["logprobs"]["text_offset"], Json::parse("[0,1,1,2]"));
}

TEST(TextAnswer, a_prompt_can_be_scored_without_an_answer) {
  for (const bool stream : {false, true}) {
    const auto prepared = testing::prepared_of(
        Dialect::text,
        fmt::format(R"({{"prompt":[97,98],"echo":true,"logprobs":0,"max_tokens":0,"stream":{}}})",
                    stream),
        kModel);
    const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
    answer->scores(0, {1, {{{98, -1.5f}, 2, {}}}});
    std::string out;
    answer->finish(0, "", out);
    const Json choice = stream ? events_in(out)[0]["choices"][0] : Json::parse(out)["choices"][0];
    EXPECT_EQ(choice["text"], "ab");
    EXPECT_EQ(choice["finish_reason"], "length");
    EXPECT_EQ(choice["logprobs"]["token_logprobs"], Json::parse("[null,-1.5]"));
  }
}

TEST(TextAnswer, scores_of_a_prompt_stand_in_each_of_its_choices) {
  const auto prepared =
      testing::prepared_of(Dialect::text, R"({"prompt":[97,98],"prompt_logprobs":0})", kModel);
  const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
  answer->scores(0, {1, {{{98, -1.5f}, 2, {}}}});
  std::string out;
  answer->tokens(0, events_of("c"), out);
  answer->finish(0, "", out);
  EXPECT_EQ(Json::parse(out)["choices"][0]["prompt_logprobs"],
            Json::parse(R"([null,{"98":{"logprob":-1.5,"rank":2,"decoded_token":"b"}}])"));
}

TEST(TextAnswer, says_what_stopped_it) {
  auto events = events_of("a");
  events[0].stop_string = "zz";
  EXPECT_NE(text(R"({"prompt":"x","stop":"zz"})", events).find(R"("stop_reason":"zz")"),
            std::string::npos);
  EXPECT_NE(
      text(R"({"prompt":"x","stop_token_ids":[97]})", events_of("a")).find(R"("stop_reason":97)"),
      std::string::npos);
}

TEST(TextAnswer, token_ids_and_digests_come_if_asked_for) {
  auto events = events_of("a");
  events[0].logits = {0x1, 0xAB};
  const std::string body = R"({"prompt":[120],"return_token_ids":true,"return_logits_digest":true)";
  const Json json = Json::parse(text(body + "}", events));
  EXPECT_EQ(json["choices"][0]["token_ids"], Json::array({97}));
  EXPECT_EQ(json["choices"][0]["prompt_token_ids"], Json::array({120}));
  EXPECT_EQ(json["choices"][0]["logits_digest"], Json::array({"00000000000000ab0000000000000001"}));
  EXPECT_EQ(events_in(text(body + R"(,"stream":true})", events))[0]["prompt_token_ids"],
            Json::array({120}));
}

TEST(TextAnswer, choices_of_several_prompts_are_numbered_through) {
  const auto prepared =
      testing::prepared_of(Dialect::text, R"({"prompt":["x","y"],"n":2})", kModel);
  const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
  std::string out;
  answer->tokens(1, events_of("d", 1), out);
  answer->tokens(0, events_of("a", 0), out);
  answer->tokens(1, events_of("c", 0), out);
  answer->tokens(0, events_of("b", 1), out);
  answer->finish(0, "", out);
  const Json json = Json::parse(out);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(json["choices"][i]["index"], i);
    EXPECT_EQ(json["choices"][i]["text"], std::string(1, static_cast<char>('a' + i)));
  }
}

}  // namespace
}  // namespace baton::server::api
