#include "server/api/request/sampling_fields.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

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
    {"max_completion_tokens", {1, 4096}, {4097, -1, "16"}},
    {"n_predict", {-1, 1, 4096}, {4097, -2, "16"}},
    {"allowed_token_ids",
     {Json::array({0, 257})},
     {Json::array(), Json::array({258}), "x", Json::array({"1"})}},
    {"bad_words",
     {Json::array(), Json::array({"a", "b c"})},
     {"a", Json::array({""}), Json::array({3}), Json::array({std::string(129, 'a')}),
      Json(std::vector<std::string>(65, "a"))}},
    {"prompt_logprobs", {0, 20}, {-1, 21, true}},
    {"truncate_prompt_tokens", {-1, 1, 4096}, {0, -2, 4097, "1"}},
    {"cache_salt", {"a"}, {"", 3, std::string(1025, 'a')}},
    {"extra_key", {"a", ""}, {3, std::string(1025, 'a')}},
    {"request_id",
     {"a-1:b", std::string(128, 'a')},
     {3, "a b", "a\"", "\\", std::string(129, 'a')}},
    {"rid", {"a"}, {Json::array({"a"}), "\n"}},
    {"store", {true}, {1}},
    {"spaces_between_special_tokens", {true}, {Json::array()}},
    {"stream_reasoning", {false}, {"no"}},
    {"cache_prompt", {true}, {1}},
    {"timings_per_token", {true}, {"x"}},
    {"user", {"a"}, {3}},
    {"safety_identifier", {"a"}, {3}},
    {"prompt_cache_key", {"a"}, {3}},
    {"verbosity", {"low"}, {3}},
    {"session_id", {"a"}, {3}},
    {"stream_interval", {1, 10}, {0, "1", Json::array()}},
    {"add_special_tokens", {true}, {1}},
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
     {3, {{"include_usage", 1}}, {{"continuous_usage_stats", 1}}, {{"include_obfuscation", "no"}}}},
    {"model", {"fake", ""}, {"other", 3}},
    {"response_format", {{{"type", "text"}}}, {Json::object(), "text"}},
    {"modalities", {Json::array({"text"})}, {Json::array({"text", "audio"}), "text"}},
    {"best_of", {1}, {2, 0}},
    {"use_beam_search", {false}, {true, 1}},
};

TEST(SamplingFields, every_field_keeps_its_type_and_range_in_both_endpoints) {
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

TEST(SamplingFields, what_nobody_may_ask_for_is_refused_by_name) {
  for (const char* field :
       {"audio", "prediction", "functions", "function_call", "chat_template", "documents",
        "length_penalty", "web_search_options", "moderation", "stop_regex"}) {
    for (const bool chat : {true, false}) {
      const auto parsed = parse(chat, field, 1);
      ASSERT_FALSE(parsed) << field;
      EXPECT_EQ(parsed.error().param, field);
      EXPECT_EQ(parsed.error().code, "unsupported_parameter");
      EXPECT_TRUE(parse(chat, field, nullptr)) << field;
    }
  }
}

TEST(SamplingFields, what_only_other_servers_can_do_is_ignored) {
  for (const char* field : {"metadata", "prompt_cache_options", "kv_transfer_params",
                            "bootstrap_host", "bootstrap_port", "bootstrap_room"}) {
    for (const Json& value : {Json::object(), Json(3), Json("x")}) {
      const auto parsed = parse(true, field, value);
      ASSERT_TRUE(parsed) << field;
      EXPECT_TRUE(parsed->unknown.empty()) << field;
    }
  }
}

TEST(SamplingFields, what_nobody_knows_is_told_or_refused) {
  const testing::FakeModel model;
  const Json body = Json::parse(
      R"({"prompt":"a","x_unknown":3,"stream":true,"stream_options":{"include_usage":true,"y":1},
          "thinking":{"type":"enabled"},"structured_outputs":{"regex":"a","backend":"b"}})");
  const auto parsed = parse_completion(body, model.facts(), {});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->unknown, (std::vector<std::string>{"x_unknown", "thinking", "stream_options.y",
                                                       "structured_outputs.backend"}));
  ApiLimits strict;
  strict.strict_fields = true;
  const auto refused = parse_completion(body, model.facts(), strict);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "x_unknown");
  EXPECT_EQ(refused.error().code, "unsupported_parameter");
  EXPECT_EQ(refused.error().status, 400);
}

TEST(SamplingFields, whatever_is_read_anywhere_is_known) {
  for (const bool chat : {true, false}) {
    for (const Case& c : kCases) {
      const auto parsed = parse(chat, c.field, c.good.front());
      EXPECT_TRUE(parsed && parsed->unknown.empty()) << c.field;
    }
  }
}

TEST(SamplingFields, salts_of_two_names_are_both_kept) {
  const testing::FakeModel model;
  const auto salt = [&](const Json& body) {
    return parse_completion(body, model.facts(), {})->cache_salt;
  };
  EXPECT_EQ(salt({{"prompt", "a"}, {"cache_salt", "s"}}), "s");
  EXPECT_NE(salt({{"prompt", "a"}, {"cache_salt", "s"}, {"extra_key", "e"}}), "s");
  EXPECT_NE(salt({{"prompt", "a"}, {"extra_key", "e"}}), "");
}

TEST(SamplingFields, values_end_up_where_they_belong) {
  const testing::FakeModel model;
  const Json body = Json::parse(R"({"prompt":[1,2],"temperature":0.25,"top_p":0.5,"top_k":7,
    "min_p":0.125,"presence_penalty":1,"frequency_penalty":-1,"repetition_penalty":1.5,"seed":-1,
    "stop":["x","y"],"stop_token_ids":[9],"max_tokens":5,"min_tokens":2,"ignore_eos":true,
    "include_stop_str_in_output":true,"skip_special_tokens":false,"logprobs":3,"n":2,
    "logit_bias":{"10":1.5,"2":-3},"echo":false,
    "bad_words":["x"],"allowed_token_ids":[9,3,9],"cache_salt":"s","priority":-4,"stream":true,
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
  EXPECT_EQ(parsed->sampling.allowed, (std::vector<TokenId>{3, 9}));
  EXPECT_EQ(parsed->bad_words, std::vector<std::string>{"x"});
  EXPECT_EQ(parsed->cache_salt, "s");
  EXPECT_EQ(parsed->priority, -4);
  EXPECT_TRUE(parsed->stream && parsed->include_usage && parsed->return_token_ids);
}

TEST(SamplingFields, the_model_proposes_what_the_request_leaves_open) {
  testing::FakeModel model;
  model.edit().sampling.temperature = 0.6f;
  model.edit().sampling.top_p = 0.95f;
  const auto parsed = parse_completion({{"prompt", "x"}, {"top_p", 1}}, model.facts(), {});
  EXPECT_EQ(parsed->sampling.temperature, 0.6f);
  EXPECT_EQ(parsed->sampling.top_p, 1);
}

TEST(SamplingFields, stream_options_need_a_stream) {
  const testing::FakeModel model;
  const Json body = {{"prompt", "x"}, {"stream_options", {{"include_usage", true}}}};
  EXPECT_EQ(parse_completion(body, model.facts(), {}).error().param, "stream_options");
}

TEST(SamplingFields, bodies_are_strict_json_within_limits) {
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

TEST(SamplingFields, temperatures_can_be_mapped_as_deepseek_does) {
  testing::FakeModel model;
  model.edit().deepseek_temperature = true;
  model.edit().sampling.temperature = 0.6f;
  const auto at = [&](const Json& temperature) {
    return parse_completion({{"prompt", "x"}, {"temperature", temperature}}, model.facts(), {})
        ->sampling.temperature;
  };
  EXPECT_FLOAT_EQ(at(1), 0.3f);
  EXPECT_FLOAT_EQ(at(0.5), 0.15f);
  EXPECT_FLOAT_EQ(at(1.5), 0.8f);
  EXPECT_FLOAT_EQ(at(nullptr), 0.6f) << "the model's own proposal is none of theirs";
}

}  // namespace
}  // namespace baton::server::api
