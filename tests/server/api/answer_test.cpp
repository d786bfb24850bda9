#include "server/api/answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

using Json = nlohmann::json;
using testing::events_of;

const testing::FakeModel kModel;

Prepared prepared_of(const std::string& body) {
  const bool chat = body.find("messages") != std::string::npos;
  auto prepared = chat ? prepare_chat(body, kModel, {}) : prepare_completion(body, kModel, {});
  EXPECT_TRUE(prepared) << prepared.error().message;
  return *std::move(prepared);
}

const std::string kChat = R"({"messages":[{"role":"user","content":"x"}])";

std::string whole(const std::string& body, const std::vector<TokenEvent>& events,
                  std::string_view explain = "") {
  const Prepared prepared = prepared_of(body);
  WholeAnswer answer(AnswerShape::of(prepared, kModel.facts(), "id-1", 5), prepared, kModel);
  answer.tokens(0, events);
  return answer.finish({3, 2, 0}, explain);
}

std::string stream(const std::string& body, const std::vector<TokenEvent>& events) {
  const Prepared prepared = prepared_of(body);
  StreamAnswer answer(AnswerShape::of(prepared, kModel.facts(), "id-1", 5), prepared, kModel);
  std::string out;
  answer.tokens(0, events, out);
  answer.finish({3, 2, 0}, "", out);
  return out;
}

const std::string kUsage =
    R"("usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,)"
    R"("prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0},)"
    R"("prompt_cache_hit_tokens":0,"prompt_cache_miss_tokens":3})";

TEST(Answer, a_whole_chat_has_the_members_in_order) {
  EXPECT_EQ(whole(kChat + "}", events_of("hi")),
            R"({"id":"id-1","object":"chat.completion","created":5,"model":"fake","choices":[)"
            R"({"index":0,"message":{"role":"assistant","content":"hi","refusal":null},)"
            R"("logprobs":null,"finish_reason":"stop"}],)" +
                kUsage + "}");
}

TEST(Answer, a_whole_text_completion_has_the_members_in_order) {
  EXPECT_EQ(
      whole(R"({"prompt":"x"})", events_of("hi", 0, FinishReason::length)),
      R"({"id":"id-1","object":"text_completion","created":5,"model":"fake","choices":[)"
      R"({"index":0,"text":"hi","logprobs":null,"finish_reason":"length","stop_reason":null}],)" +
          kUsage + "}");
}

TEST(Answer, a_chat_stream_is_role_then_content_then_finish_then_done) {
  const std::string head =
      R"(data: {"id":"id-1","object":"chat.completion.chunk","created":5,"model":"fake","choices":[{"index":0,"delta":)";
  EXPECT_EQ(stream(kChat + R"(,"stream":true})", events_of("hi")),
            head + R"({"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]})" +
                "\n\n" + head + R"({"content":"h"},"logprobs":null,"finish_reason":null}]})" +
                "\n\n" + head + R"({"content":"i"},"logprobs":null,"finish_reason":null}]})" +
                "\n\n" + head + R"({},"logprobs":null,"finish_reason":"stop"}]})" + "\n\n" +
                "data: [DONE]\n\n");
}

TEST(Answer, usage_comes_last_without_choices_and_only_if_asked_for) {
  const std::string out =
      stream(kChat + R"(,"stream":true,"stream_options":{"include_usage":true}})", events_of("h"));
  const std::string tail = R"("model":"fake","choices":[],)" + kUsage + "}\n\ndata: [DONE]\n\n";
  EXPECT_TRUE(out.ends_with(tail)) << out;
}

TEST(Answer, a_text_stream_ends_with_its_last_text) {
  const std::string head =
      R"(data: {"id":"id-1","object":"text_completion","created":5,"model":"fake","choices":[{"index":0,"text":)";
  EXPECT_EQ(stream(R"({"prompt":"x","stream":true})", events_of("hi")),
            head + R"("h","logprobs":null,"finish_reason":null,"stop_reason":null}]})" + "\n\n" +
                head + R"("i","logprobs":null,"finish_reason":"stop","stop_reason":null}]})" +
                "\n\ndata: [DONE]\n\n");
}

TEST(Answer, tokens_without_text_are_no_events) {
  auto events = events_of("ab");
  events[0].text.clear();  // half a character
  EXPECT_EQ(stream(R"({"prompt":"x","stream":true})", events).find(R"("text":"")"),
            std::string::npos);
}

TEST(Answer, chat_logprobs_have_bytes_and_alternatives) {
  auto events = events_of("h");
  events[0].top = {{104, -0.5f}, {0xF0, -std::numeric_limits<float>::infinity()}};
  const Json json = Json::parse(whole(kChat + R"(,"logprobs":true,"top_logprobs":2})", events));
  EXPECT_EQ(json["choices"][0]["logprobs"],
            Json::parse("{\"content\":[{\"token\":\"h\",\"logprob\":-0.5,\"bytes\":[104],"
                        "\"top_logprobs\":[{\"token\":\"h\",\"logprob\":-0.5,\"bytes\":[104]},"
                        "{\"token\":\"\xEF\xBF\xBD\",\"logprob\":-9999.0,\"bytes\":[240]}]}]}"));
}

TEST(Answer, text_logprobs_have_offsets_behind_the_echo) {
  auto events = events_of("hi");
  events[0].top = {{120, -0.25f}};
  const Prepared prepared = prepared_of(R"({"prompt":"x","logprobs":1,"stream":true})");
  StreamAnswer answer(AnswerShape::of(prepared, kModel.facts(), "id", 5), prepared, kModel);
  std::string out;
  answer.tokens(0, events, out);
  EXPECT_NE(out.find(R"("logprobs":{"tokens":["h"],"token_logprobs":[-0.5],)"
                     R"("top_logprobs":[{"x":-0.25,"h":-0.5}],"text_offset":[0]})"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find(R"("text_offset":[1])"), std::string::npos);
}

TEST(Answer, an_echo_is_in_front_of_each_choice) {
  const Json json = Json::parse(whole(R"({"prompt":"ab","echo":true})", events_of("c")));
  EXPECT_EQ(json["choices"][0]["text"], "abc");
}

TEST(Answer, says_what_stopped_it_where_that_was_asked) {
  auto events = events_of("a");
  events[0].stop_string = "zz";
  const std::string by_string = whole(kChat + R"(,"stop":"zz"})", events);
  EXPECT_NE(by_string.find(R"("stop_reason":"zz")"), std::string::npos);
  EXPECT_NE(
      whole(R"({"prompt":"x","stop_token_ids":[97]})", events_of("a")).find(R"("stop_reason":97)"),
      std::string::npos);
}

TEST(Answer, token_ids_and_digests_come_if_asked_for) {
  auto events = events_of("a");
  events[0].logits = {0x1, 0xAB};
  const Json json = Json::parse(
      whole(R"({"prompt":[120],"return_token_ids":true,"return_logits_digest":true})", events));
  EXPECT_EQ(json["choices"][0]["token_ids"], Json::array({97}));
  EXPECT_EQ(json["choices"][0]["prompt_token_ids"], Json::array({120}));
  EXPECT_EQ(json["choices"][0]["logits_digest"], Json::array({"00000000000000ab0000000000000001"}));
}

TEST(Answer, choices_of_several_prompts_are_numbered_through) {
  const Prepared prepared = prepared_of(R"({"prompt":["x","y"],"n":2})");
  WholeAnswer answer(AnswerShape::of(prepared, kModel.facts(), "id", 5), prepared, kModel);
  answer.tokens(1, events_of("d", 1));
  answer.tokens(0, events_of("a", 0));
  answer.tokens(1, events_of("c", 0));
  answer.tokens(0, events_of("b", 1));
  const Json json = Json::parse(answer.finish({}, ""));
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(json["choices"][i]["index"], i);
    EXPECT_EQ(json["choices"][i]["text"], std::string(1, static_cast<char>('a' + i)));
  }
}

TEST(Answer, each_choice_of_a_stream_has_a_role_and_a_finish_of_its_own) {
  const Prepared prepared = prepared_of(kChat + R"(,"stream":true,"n":2})");
  StreamAnswer answer(AnswerShape::of(prepared, kModel.facts(), "id", 5), prepared, kModel);
  std::string out;
  answer.tokens(0, events_of("a", 1), out);
  answer.tokens(0, events_of("b", 0), out);
  for (const char* part : {R"("index":0,"delta":{"role")", R"("index":1,"delta":{"role")",
                           R"("index":0,"delta":{},)", R"("index":1,"delta":{},)"}) {
    EXPECT_NE(out.find(part), std::string::npos) << part;
  }
}

TEST(Answer, a_failed_stream_says_so_and_ends) {
  std::string out;
  StreamAnswer::fail(unavailable("no_capacity", "Lost.", 1), out);
  EXPECT_TRUE(out.starts_with(R"(data: {"error":{"message":"Lost.")"));
  EXPECT_TRUE(out.ends_with("}}\n\ndata: [DONE]\n\n"));
}

TEST(Answer, an_explanation_is_a_member_of_its_own) {
  EXPECT_NE(whole(kChat + "}", events_of("a"), R"({"x":1})").find(R"(,"explain":{"x":1}})"),
            std::string::npos);
}

}  // namespace
}  // namespace baton::server::api
