#include "server/api/prompt/tokenize.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

const testing::FakeModel kModel;

TEST(Tokenize, counts_and_may_show_the_tokens) {
  EXPECT_EQ(*tokenize(R"({"prompt":"a\"","return_token_strs":true})", kModel, {}),
            R"({"count":3,"max_model_len":4096,"tokens":[256,97,34],"token_strs":["","a","\""]})");
  EXPECT_EQ(*tokenize(R"({"content":"a","add_special_tokens":false})", kModel, {}),
            R"({"count":1,"max_model_len":4096,"tokens":[97],"token_strs":null})");
  for (const char* bad : {"{}", R"({"prompt":3})", R"({"prompt":"a","model":"b"})",
                          R"({"messages":[]})", R"({"prompt":"a","add_special_tokens":1})",
                          R"({"messages":[{"role":"user","content":"a"}],"tools":[]})"}) {
    EXPECT_FALSE(tokenize(bad, kModel, {})) << bad;
  }
}

TEST(Tokenize, renders_a_chat_as_it_would_be_answered) {
  const auto count = [](const std::string& members) {
    const auto answer =
        tokenize(R"({"messages":[{"role":"user","content":"a"}])" + members + "}", kModel, {});
    return answer ? Json::parse(*answer)["count"].get<int>() : -1;
  };
  EXPECT_EQ(count(""), 20);
  EXPECT_EQ(count(R"(,"add_generation_prompt":false)"), 9);
  EXPECT_EQ(count(R"(,"continue_final_message":true)"), -1) << "it is the user's";
  EXPECT_EQ(count(R"(,"tools":[{"type":"function","function":{"name":"f"}}])"), 28);
}

TEST(Detokenize, gives_the_text_under_both_names) {
  EXPECT_EQ(*detokenize(R"({"tokens":[104,105]})", kModel, {}),
            R"({"prompt":"hi","content":"hi"})");
  EXPECT_EQ(*detokenize(R"({"tokens":[]})", kModel, {}), R"({"prompt":"","content":""})");
  for (const char* bad : {"{}", R"({"tokens":"x"})", R"({"tokens":[258]})", R"({"tokens":[-1]})",
                          R"({"tokens":["a"]})"}) {
    EXPECT_EQ(detokenize(bad, kModel, {}).error().param, "tokens") << bad;
  }
}

TEST(CountTokens, counts_what_a_message_would_be_asked_with) {
  EXPECT_EQ(
      *count_tokens(R"({"model":"fake","messages":[{"role":"user","content":"a"}]})", kModel, {}),
      R"({"input_tokens":20})");
  EXPECT_EQ(count_tokens(R"({"messages":[]})", kModel, {}).error().param, "messages");
}

}  // namespace
}  // namespace baton::server::api
