#include "server/api/answer/chunk_stream.h"

#include <gtest/gtest.h>

#include "tests/server/support/answers.h"

namespace baton::server::api {
namespace {

using testing::events_of;

const testing::FakeModel kModel;

struct Spoken {
  Dialect dialect;
  std::string body;
};

// Both streams end alike.
class ChunkStream : public ::testing::TestWithParam<Spoken> {
 protected:
  std::string body(const std::string& more) const {
    return "{" + GetParam().body + R"(,"stream":true)" + more + "}";
  }
};

INSTANTIATE_TEST_SUITE_P(
    Streams, ChunkStream,
    ::testing::Values(Spoken{Dialect::text, R"("prompt":"x")"},
                      Spoken{Dialect::chat, R"("messages":[{"role":"user","content":"x"}])"}));

TEST_P(ChunkStream, usage_and_timeline_come_in_one_event_without_choices) {
  const auto events = testing::events_in(
      testing::answered(GetParam().dialect, body(R"(,"stream_options":{"include_usage":true})"),
                        kModel, events_of("hi"), R"({"parts":1})"));
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events.back(), "[DONE]");
  const Json& last = events[events.size() - 2];
  EXPECT_EQ(last["choices"], Json::array());
  EXPECT_EQ(last["usage"]["completion_tokens"], 2);
  EXPECT_EQ(last["explain"]["parts"], 1);
  EXPECT_EQ(last["id"], events.front()["id"]);
}

TEST_P(ChunkStream, the_ids_of_the_prompt_come_once) {
  const auto events = testing::events_in(testing::answered(
      GetParam().dialect, body(R"(,"return_token_ids":true)"), kModel, events_of("hi")));
  EXPECT_TRUE(events.front().contains("prompt_token_ids"));
  for (size_t i = 1; i < events.size(); ++i) EXPECT_FALSE(events[i].contains("prompt_token_ids"));
}

TEST_P(ChunkStream, a_failure_is_told_and_the_stream_ends) {
  const auto prepared = testing::prepared_of(GetParam().dialect, body(""), kModel);
  const auto answer = make_answer(prepared, kModel, testing::kAnswerName);
  std::string out;
  answer->tokens(0, events_of("h"), out);
  out.clear();
  const ApiError error = to_api(baton::fail(ErrorCode::unavailable, "gone"));
  answer->fail(error, out);
  EXPECT_EQ(out, "data: " + error_json(error) + "\n\ndata: [DONE]\n\n");
}

}  // namespace
}  // namespace baton::server::api
