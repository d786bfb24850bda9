#include "server/chat/conversation.h"

#include <gtest/gtest.h>

namespace baton::server::chat {
namespace {

using Json = nlohmann::json;

TEST(Conversation, keeps_the_history_and_the_system_message) {
  Conversation talk({"m", "Be brief.", 0.0, 5});
  talk.ask("one");
  talk.answered("1");
  talk.ask("two");
  const Json body = Json::parse(talk.body());
  EXPECT_EQ(body["model"], "m");
  EXPECT_EQ(body["temperature"], 0.0);
  EXPECT_EQ(body["max_tokens"], 5);
  ASSERT_EQ(body["messages"].size(), 4u);
  EXPECT_EQ(body["messages"][0]["content"], "Be brief.");
  EXPECT_EQ(body["messages"][2]["role"], "assistant");
  talk.reset();
  talk.ask("three");
  EXPECT_EQ(Json::parse(talk.body())["messages"].size(), 2u);
}

TEST(Conversation, a_question_without_an_answer_is_not_remembered) {
  Conversation talk({});
  talk.ask("one");
  talk.answered("");
  talk.ask("two");
  const Json body = Json::parse(talk.body());
  EXPECT_EQ(body["messages"].size(), 1u);
  EXPECT_FALSE(body.contains("model") || body.contains("temperature"));
}

TEST(Conversation, hears_text_usage_errors_and_the_end) {
  EXPECT_EQ(Conversation::hear(R"({"choices":[{"delta":{"content":"hi"}}]})").text, "hi");
  EXPECT_EQ(Conversation::hear(R"({"choices":[{"delta":{"content":null}}]})").text, "");
  EXPECT_EQ(
      Conversation::hear(R"({"choices":[],"usage":{"completion_tokens":7}})").completion_tokens,
      7u);
  EXPECT_EQ(Conversation::hear(R"({"error":{"message":"Lost."}})").error, "Lost.");
  EXPECT_TRUE(Conversation::hear("[DONE]").done);
  EXPECT_FALSE(Conversation::hear("{").error.empty());
}

TEST(Conversation, an_error_answer_is_told_by_its_sentence) {
  EXPECT_EQ(Conversation::error_sentence(R"({"error":{"message":"No."}})"), "No.");
  EXPECT_EQ(Conversation::error_sentence("<html>"), "<html>");
}

}  // namespace
}  // namespace baton::server::chat
