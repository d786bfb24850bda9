#include "server/api/generate_request.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

using Json = nlohmann::json;

// Parses a body of the given endpoint with one field changed.
ApiResult<GenerateRequest> parse(bool chat, const std::string& name, const Json& value) {
  const testing::FakeModel model;
  Json body =
      chat ? Json{{"messages", {{{"role", "user"}, {"content", "hi"}}}}} : Json{{"prompt", "hi"}};
  if (name.starts_with("stream_options")) body["stream"] = true;
  if (!name.empty()) body[name] = value;
  return chat ? parse_chat(body, model.facts(), {}) : parse_completion(body, model.facts(), {});
}

struct Case {
  const char* field;
  std::vector<Json> good;
  std::vector<Json> bad;
};

const std::vector<Case> kCases = {
    {"temperature", {0, 2, 0.5}, {-0.1, 2.1, "1", true, Json::array(), Json::object()}},
    {"top_p", {1, 0.001}, {0, 1e-300, 1.01, -1, "1", false}},
    {"top_k", {-1, 0, 1, 258, 3.0}, {-2, 259, 1.5, "1", true}},
    {"min_p", {0, 1}, {-0.01, 1.01, "0"}},
    {"presence_penalty", {-2, 2}, {-2.1, 2.1, "0"}},
    {"frequency_penalty", {-2, 2}, {-2.1, 2.1, "0"}},
    {"repetition_penalty", {0.01, 10, 1}, {0, 10.1, "1"}},
    {"seed",
     {0, -1, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()},
     {0.5, "0", 9223372036854775808u, true}},
    {"n", {1, 8}, {0, 9, 1.5, "1"}},
    {"max_tokens", {1, 4096}, {0, 4097, -1, "16", 0.5}},
    {"max_completion_tokens", {1, 4096}, {0, 4097, -1, "16"}},
    {"min_tokens", {0, 1}, {-1, 5000, "1"}},
    {"stop",
     {"a", Json::array({"a", "b"}), Json::array()},
     {"", Json::array({""}), 3, Json::array({3}), std::string(257, 'a'), Json::object(),
      Json(std::vector<std::string>(17, "a"))}},
    {"stop_token_ids",
     {Json::array({0, 257}), Json::array()},
     {Json::array({258}), Json::array({-1}), Json::array({"1"}), 3, std::vector<int>(65, 1)}},
    {"logit_bias",
     {Json::object(), {{"0", 100}, {"257", -100}}},
     {{{"258", 1}},
      {{"-1", 1}},
      {{"a", 1}},
      {{"1", 101}},
      {{"1", "x"}},
      {{" 1", 1}},
      {{"1", 1}, {"01", 2}},
      Json::array(),
      3}},
    {"ignore_eos", {true, false}, {1, "true"}},
    {"include_stop_str_in_output", {true}, {0}},
    {"skip_special_tokens", {false}, {"no"}},
    {"stream", {true, false}, {1, "true"}},
    {"return_token_ids", {true}, {1}},
    {"return_logits_digest", {true}, {1}},
    {"return_tokens_as_token_ids", {true}, {1}},
    {"explain", {true}, {1}},
    {"priority", {-5, 0, 5}, {0.5, "1", 3e9}},
    {"stream_options",
     {Json::object(), {{"include_usage", true}, {"include_obfuscation", false}}},
     {3, {{"include_usage", 1}}, {{"continuous_usage_stats", true}}}},
    {"model", {"fake", ""}, {"other", 3}},
    {"response_format",
     {{{"type", "text"}}},
     {{{"type", "json_object"}}, {{"type", "json_schema"}}, Json::object(), "text"}},
    {"modalities", {Json::array({"text"})}, {Json::array({"text", "audio"}), "text"}},
    {"thinking", {{{"type", "disabled"}}}, {{{"type", "enabled"}}, true}},
    {"tool_choice", {"none", "auto"}, {"required", Json::object()}},
    {"best_of", {1}, {2, 0}},
    {"use_beam_search", {false}, {true, 1}},
};

TEST(GenerateRequest, every_field_keeps_its_type_and_range_in_both_endpoints) {
  for (const bool chat : {true, false}) {
    for (const Case& c : kCases) {
      EXPECT_TRUE(parse(chat, c.field, nullptr)) << c.field << " null";
      for (const Json& value : c.good) {
        const auto parsed = parse(chat, c.field, value);
        EXPECT_TRUE(parsed) << c.field << " " << value << ": " << parsed.error().message;
      }
      for (const Json& value : c.bad) {
        const auto parsed = parse(chat, c.field, value);
        ASSERT_FALSE(parsed) << c.field << " " << value;
        EXPECT_TRUE(parsed.error().param.starts_with(c.field)) << parsed.error().param;
        EXPECT_EQ(parsed.error().status,
                  std::string(c.field) == "model" && value == "other" ? 404 : 400);
      }
    }
  }
}

TEST(GenerateRequest, what_is_not_there_yet_is_refused_by_name) {
  for (const char* field : {"audio",
                            "prediction",
                            "functions",
                            "function_call",
                            "chat_template",
                            "documents",
                            "structured_outputs",
                            "guided_json",
                            "guided_regex",
                            "guided_choice",
                            "guided_grammar",
                            "regex",
                            "ebnf",
                            "grammar",
                            "json_schema",
                            "bad_words",
                            "allowed_token_ids",
                            "prompt_logprobs",
                            "reasoning_effort",
                            "length_penalty",
                            "web_search_options"}) {
    const auto parsed = parse(true, field, 1);
    ASSERT_FALSE(parsed) << field;
    EXPECT_EQ(parsed.error().param, field);
    EXPECT_EQ(parsed.error().code, "unsupported_parameter");
    EXPECT_TRUE(parse(true, field, nullptr)) << field;
  }
  EXPECT_EQ(parse(true, "tools", Json::array()).error().code, "invalid_value");
  EXPECT_EQ(parse(true, "tools", Json::array({1})).error().code, "unsupported_parameter");
  EXPECT_EQ(parse(true, "echo", true).error().param, "echo");
  EXPECT_EQ(parse(false, "suffix", "x").error().param, "suffix");
  EXPECT_TRUE(parse(false, "suffix", ""));
}

TEST(GenerateRequest, unknown_and_harmless_fields_are_ignored) {
  for (const char* field : {"user", "metadata", "store", "service_tier", "x_unknown", "cache_salt",
                            "kv_transfer_params", "bootstrap_host", "parallel_tool_calls",
                            "request_id", "spaces_between_special_tokens"}) {
    EXPECT_TRUE(parse(true, field, Json::object())) << field;
  }
}

TEST(GenerateRequest, values_end_up_where_they_belong) {
  const testing::FakeModel model;
  const Json body = Json::parse(R"({"prompt":[1,2],"temperature":0.25,"top_p":0.5,"top_k":7,
    "min_p":0.125,"presence_penalty":1,"frequency_penalty":-1,"repetition_penalty":1.5,"seed":-1,
    "stop":["x","y"],"stop_token_ids":[9],"max_tokens":5,"min_tokens":2,"ignore_eos":true,
    "include_stop_str_in_output":true,"skip_special_tokens":false,"logprobs":3,"n":2,
    "logit_bias":{"10":1.5,"2":-3},"echo":false,"priority":-4,"stream":true,
    "stream_options":{"include_usage":true},"return_token_ids":true})");
  const auto parsed = parse_completion(body, model.facts(), {});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->sampling.temperature, 0.25f);
  EXPECT_EQ(parsed->sampling.top_p, 0.5f);
  EXPECT_EQ(parsed->sampling.top_k, 7u);
  EXPECT_EQ(parsed->sampling.min_p, 0.125f);
  EXPECT_EQ(parsed->sampling.presence_penalty, 1);
  EXPECT_EQ(parsed->sampling.frequency_penalty, -1);
  EXPECT_EQ(parsed->sampling.repetition_penalty, 1.5f);
  EXPECT_EQ(parsed->seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(parsed->stop.strings, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(parsed->stop.tokens, std::vector<TokenId>{9});
  EXPECT_EQ(parsed->max_tokens, 5u);
  EXPECT_EQ(parsed->stop.min_tokens, 2u);
  EXPECT_TRUE(parsed->stop.ignore_eos);
  EXPECT_TRUE(parsed->stop.include_string);
  EXPECT_FALSE(parsed->report.skip_special_tokens);
  EXPECT_TRUE(parsed->report.logprobs);
  EXPECT_EQ(parsed->report.top_logprobs, 3u);
  EXPECT_EQ(parsed->choices, 2u);
  const std::vector<std::pair<TokenId, float>> bias = {{2, -3}, {10, 1.5}};
  EXPECT_EQ(parsed->sampling.logit_bias, bias);
  EXPECT_EQ(parsed->priority, -4);
  EXPECT_TRUE(parsed->stream && parsed->include_usage && parsed->return_token_ids);
}

TEST(GenerateRequest, the_model_proposes_what_the_request_leaves_open) {
  testing::FakeModel model;
  model.edit().sampling.temperature = 0.6f;
  model.edit().sampling.top_p = 0.95f;
  const auto parsed = parse_completion({{"prompt", "x"}, {"top_p", 1}}, model.facts(), {});
  EXPECT_EQ(parsed->sampling.temperature, 0.6f);
  EXPECT_EQ(parsed->sampling.top_p, 1);
}

TEST(GenerateRequest, a_text_completion_has_16_tokens_by_default_and_a_chat_the_rest) {
  EXPECT_EQ(parse(false, "", {})->max_tokens, 16u);
  EXPECT_EQ(parse(true, "", {})->max_tokens, std::nullopt);
}

TEST(GenerateRequest, all_four_prompt_forms_are_read) {
  EXPECT_EQ(parse(false, "prompt", "x")->prompts.size(), 1u);
  EXPECT_EQ(parse(false, "prompt", Json::array({1, 2}))->prompts.size(), 1u);
  EXPECT_EQ(parse(false, "prompt", Json::array({"x", "y"}))->prompts.size(), 2u);
  EXPECT_EQ(parse(false, "prompt", {{1, 2}, {3}})->prompts.size(), 2u);
  for (const Json& bad :
       {Json(3), Json::object(), Json::array(), Json::array({258}), Json::array({-1}),
        Json::array({"x", 1}), Json::array({1, "x"}), Json::array({Json::array()}),
        Json::array({Json::array({1}), "x"}), Json(std::vector<std::string>(65, "x"))}) {
    EXPECT_EQ(parse(false, "prompt", bad).error().param, "prompt") << bad;
  }
  EXPECT_FALSE(parse(false, "prompt", nullptr));
}

TEST(GenerateRequest, logprobs_have_the_shape_of_the_endpoint) {
  EXPECT_TRUE(parse(true, "logprobs", true)->report.logprobs);
  EXPECT_FALSE(parse(true, "logprobs", 3));
  EXPECT_FALSE(parse(true, "top_logprobs", 3)) << "needs logprobs";
  EXPECT_TRUE(parse(true, "top_logprobs", 0));
  EXPECT_FALSE(parse(false, "logprobs", true));
  EXPECT_FALSE(parse(false, "logprobs", 21));
  EXPECT_TRUE(parse(false, "logprobs", 0)->report.logprobs);
}

TEST(GenerateRequest, stream_options_need_a_stream) {
  const testing::FakeModel model;
  const Json body = {{"prompt", "x"}, {"stream_options", {{"include_usage", true}}}};
  EXPECT_EQ(parse_completion(body, model.facts(), {}).error().param, "stream_options");
}

TEST(GenerateRequest, template_kwargs_are_a_whitelist) {
  EXPECT_TRUE(
      parse(true, "chat_template_kwargs", {{"thinking", true}})->template_kwargs["thinking"]);
  EXPECT_EQ(parse(true, "chat_template_kwargs", {{"messages", "x"}}).error().param,
            "chat_template_kwargs.messages");
  EXPECT_FALSE(parse(true, "chat_template_kwargs", {{"thinking", "yes"}}));
  EXPECT_FALSE(parse(true, "chat_template_kwargs", 3));
}

TEST(GenerateRequest, bodies_are_strict_json_within_limits) {
  for (const std::string& body :
       {std::string(""), std::string("{"), std::string("[]"), std::string("3"),
        std::string(R"({"a":1,"a":2})"), std::string(R"({"a":1e999})"), std::string(R"({"a":NaN})"),
        std::string("{\"a\":\"\xff\"}"), std::string(R"({"a":"\ud800"})"),
        std::string(R"({"a":1} x)"), std::string(40, '['),
        "{\"a\":" + std::string(33, '[') + std::string(33, ']') + "}"}) {
    const auto parsed = parse_body(body, {});
    ASSERT_FALSE(parsed) << body;
    EXPECT_EQ(parsed.error().code, "invalid_json");
    EXPECT_EQ(parsed.error().status, 400);
  }
  ApiLimits limits;
  limits.json_values_max = 3;
  EXPECT_FALSE(parse_body(R"({"a":[1,2,3]})", limits));
  EXPECT_TRUE(parse_body(R"({"a":[1]})", limits));
}

}  // namespace
}  // namespace baton::server::api
