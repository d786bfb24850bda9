#include "server/api/prompt/prepare.h"

#include <gtest/gtest.h>

#include "tests/server/support/fake_model.h"

namespace baton::server::api {
namespace {

const testing::FakeModel kModel;

ApiResult<Prepared> prepare_chat(std::string_view body, const TextModel& model,
                                 const ApiLimits& limits) {
  return prepare_body(Dialect::chat, body, model, limits);
}
ApiResult<Prepared> prepare_completion(std::string_view body, const TextModel& model,
                                       const ApiLimits& limits) {
  return prepare_body(Dialect::text, body, model, limits);
}

TEST(Prepare, a_chat_is_rendered_and_may_use_the_rest_of_the_context) {
  const auto prepared =
      prepare_chat(R"({"messages":[{"role":"user","content":"hi"}]})", kModel, {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  ASSERT_EQ(prepared->states.size(), 1u);
  const RequestState& state = prepared->states[0];
  EXPECT_EQ(kModel.decode(state.prompt, false), "user: hi\nassistant: ");
  EXPECT_EQ(state.stop.max_tokens, 4096 - state.prompt.size());
  EXPECT_EQ(state.model, "fake");
  EXPECT_EQ(state.attempt, Attempt(1));
}

// Its template goes beyond its limits, as an endless loop does.
class EndlessTemplate final : public testing::FakeModel {
  Result<std::vector<TokenId>> encode_chat(const text::ChatQuestion&) const override {
    return fail(ErrorCode::resource_exhausted, "the chat template takes more than 9 steps");
  }
};

TEST(Prepare, a_template_without_end_is_not_to_be_tried_again) {
  const auto prepared =
      prepare_chat(R"({"messages":[{"role":"user","content":"hi"}]})", EndlessTemplate(), {});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().status, 400);
  EXPECT_EQ(prepared.error().param, "messages");
}

TEST(Prepare, each_prompt_is_a_request) {
  const auto prepared = prepare_completion(R"({"prompt":["ab","c"],"n":2})", kModel, {});
  ASSERT_EQ(prepared->states.size(), 2u);
  EXPECT_EQ(prepared->states[0].prompt, (std::vector<TokenId>{256, 97, 98}));
  EXPECT_EQ(prepared->states[1].prompt, (std::vector<TokenId>{256, 99}));
  EXPECT_EQ(prepared->states[1].choices, 2u);
}

TEST(Prepare, token_ids_are_taken_as_they_are) {
  const auto prepared = prepare_completion(R"({"prompt":[97,98],"echo":true})", kModel, {});
  EXPECT_EQ(prepared->states[0].prompt, (std::vector<TokenId>{97, 98}));
  EXPECT_EQ(prepared->echoes, std::vector<std::string>{"ab"});
}

TEST(Prepare, a_prompt_without_tokens_is_refused) {
  const auto prepared =
      prepare_completion(R"({"prompt":"","add_special_tokens":false})", kModel, {});
  EXPECT_EQ(prepared.error().param, "prompt");
}

TEST(Prepare, too_long_a_prompt_says_the_limit_and_both_lengths) {
  testing::FakeModel small;
  small.edit().max_model_len = 10;
  const auto prepared = prepare_completion(R"({"prompt":"abcdef","max_tokens":5})", small, {});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().status, 400);
  EXPECT_EQ(prepared.error().code, "context_length_exceeded");
  for (const char* part : {"10 tokens", "12 tokens", "7 in the prompt", "5 in the completion"}) {
    EXPECT_NE(prepared.error().message.find(part), std::string::npos) << part;
  }
  EXPECT_TRUE(prepare_completion(R"({"prompt":"abcdef","max_tokens":3})", small, {}));
  EXPECT_EQ(prepare_chat(R"({"messages":[{"role":"user","content":"0123456789"}]})", small, {})
                .error()
                .param,
            "messages");
}

TEST(Prepare, min_tokens_may_not_exceed_the_answer) {
  EXPECT_EQ(prepare_completion(R"({"prompt":"a","max_tokens":2,"min_tokens":3})", kModel, {})
                .error()
                .param,
            "min_tokens");
}

TEST(Prepare, a_form_of_the_answer_goes_along_whoever_named_it) {
  using Form = ConstraintParams::Form;
  for (const auto& [field, value, form] :
       {std::tuple(R"("response_format")", R"({"type":"json_object"})", Form::json_object),
        {R"("guided_regex")", R"("a+")", Form::regex},
        {R"("structured_outputs")", R"({"choice":["a"]})", Form::choice}}) {
    const auto prepared =
        prepare_completion(fmt::format(R"({{"prompt":"a",{}:{}}})", field, value), kModel, {});
    ASSERT_TRUE(prepared) << prepared.error().message;
    ASSERT_TRUE(prepared->states[0].constraint);
    EXPECT_EQ(prepared->states[0].constraint->form, form);
  }
}

TEST(Prepare, a_form_that_cannot_be_kept_is_refused_by_the_name_that_asked_for_it) {
  for (const auto& [field, value] :
       {std::pair(R"("guided_regex")", R"("a(")"),
        {R"("guided_json")", R"({"type":"string","not":{"const":"a"}})"}}) {
    const auto prepared =
        prepare_completion(fmt::format(R"({{"prompt":"a",{}:{}}})", field, value), kModel, {});
    ASSERT_FALSE(prepared);
    EXPECT_EQ('"' + prepared.error().param + '"', field);
    EXPECT_EQ(prepared.error().status, 400);
  }
}

TEST(Prepare, a_request_for_no_tokens_is_scored) {
  const auto state =
      prepare_completion(R"({"prompt":"ab","echo":true,"max_tokens":0})", kModel, {})->states[0];
  EXPECT_EQ(state.stop.max_tokens, 0u);
  EXPECT_EQ(state.report.prompt_logprobs, 0u);
  testing::FakeModel wide;
  wide.edit().max_model_len = 1'000'000;
  const auto many = prepare_completion(
      fmt::format(R"({{"prompt":"{}","prompt_logprobs":20}})", std::string(100'000, 'a')), wide,
      {});
  EXPECT_EQ(many.error().param, "prompt_logprobs");
}

TEST(Prepare, a_longer_prompt_keeps_its_end_if_it_may_be_cut) {
  const auto state =
      prepare_completion(R"({"prompt":"abcd","truncate_prompt_tokens":2})", kModel, {})->states[0];
  EXPECT_EQ(state.prompt, (std::vector<TokenId>{'c', 'd'}));
}

TEST(Prepare, a_prompt_may_be_cut_to_what_there_is_room_for) {
  testing::FakeModel small;
  small.edit().max_model_len = 10;
  const auto prompt = [&](const char* body) {
    const auto prepared = prepare_completion(body, small, {});
    return prepared ? small.decode(prepared->states[0].prompt, false) : prepared.error().message;
  };
  EXPECT_EQ(prompt(R"({"prompt":"0123456789ab","truncate_prompt_tokens":-1,"max_tokens":4})"),
            "6789ab");
  EXPECT_EQ(prompt(R"({"prompt":"01","truncate_prompt_tokens":-1,"max_tokens":4})"), "01");
}

TEST(Prepare, a_chat_may_be_rendered_by_its_client) {
  const auto prepared = prepare_chat(R"({"input_ids":[104,105]})", kModel, {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_EQ(prepared->states[0].prompt, (std::vector<TokenId>{104, 105}));
  EXPECT_FALSE(prepare_chat(R"({"input_ids":[]})", kModel, {}));
}

TEST(Prepare, bad_words_are_forbidden_alone_and_behind_a_space) {
  const auto state =
      prepare_completion(R"({"prompt":"a","bad_words":["no"]})", kModel, {})->states[0];
  EXPECT_EQ(state.sampling.bad_words,
            (std::vector<std::vector<TokenId>>{{'n', 'o'}, {' ', 'n', 'o'}}));
}

TEST(Prepare, a_salt_keeps_caches_apart) {
  EXPECT_EQ(
      prepare_completion(R"({"prompt":"a","cache_salt":"s"})", kModel, {})->states[0].cache_salt,
      "s");
}

class PrepareSpecial : public ::testing::Test {
 protected:
  using Model = testing::FakeModel;
  PrepareSpecial() { model_.make_special(); }
  Prepared chat(const std::string& members, Dialect dialect = Dialect::chat) const {
    const std::string body = R"({"messages":[{"role":"user","content":"q"}])" + members + "}";
    auto prepared = prepare_body(dialect, body, model_, {});
    EXPECT_TRUE(prepared) << prepared.error().message;
    return *std::move(prepared);
  }
  std::string prompt(const Prepared& prepared) const {
    return model_.decode(prepared.states[0].prompt, false);
  }
  static inline const std::string kTools =
      R"(,"tools":[{"type":"function","function":{"name":"f"}}])";
  static inline const std::string kTwoTools =
      R"(,"tools":[{"type":"function","function":{"name":"f"}},)"
      R"({"type":"function","function":{"name":"g"}}])";
  Model model_;
};

TEST_F(PrepareSpecial, the_prompt_says_whether_the_answer_begins_with_reasoning) {
  const Prepared thinks = chat(R"(,"thinking":{"type":"enabled"},"thinking_token_budget":9)");
  EXPECT_TRUE(thinks.rules.begins_reasoning);
  EXPECT_EQ(thinks.states[0].parts.first, Part::reasoning);
  EXPECT_EQ(thinks.states[0].parts.reasoning_max, 9u);
  const std::vector<Marker> markers = {{Model::kThink, Part::reasoning},
                                       {Model::kThought, Part::content}};
  EXPECT_EQ(thinks.states[0].parts.markers, markers);
  const Prepared plain = chat("");
  EXPECT_FALSE(plain.rules.begins_reasoning);
  EXPECT_EQ(plain.states[0].parts.markers, markers) << "it may think by itself";
  EXPECT_TRUE(chat(R"(,"separate_reasoning":false)").states[0].parts.markers.empty());
}

TEST_F(PrepareSpecial, tools_are_rendered_and_their_markers_told_if_they_may_be_called) {
  const Prepared with = chat(kTools);
  EXPECT_EQ(prompt(with), "tools f\nuser: q\nassistant: ");
  EXPECT_TRUE(with.rules.parses_calls);
  EXPECT_EQ(with.rules.tools, std::vector<std::string>{"f"});
  EXPECT_EQ(with.states[0].parts.markers.size(), 7u);
  EXPECT_EQ(with.states[0].parts.first, Part::content);
  EXPECT_TRUE(with.states[0].stop.tokens.empty());
  const Prepared none = chat(kTools + R"(,"tool_choice":"none")");
  EXPECT_EQ(prompt(none), "user: q\nassistant: ");
  EXPECT_FALSE(none.rules.parses_calls);
  EXPECT_EQ(chat(kTools + R"(,"parallel_tool_calls":false)").states[0].stop.tokens,
            std::vector<TokenId>{Model::kCallEnd});
}

TEST_F(PrepareSpecial, a_call_that_must_come_is_begun_in_the_prompt) {
  const Prepared named =
      chat(kTools + R"(,"tool_choice":{"type":"function","function":{"name":"f"}})");
  EXPECT_TRUE(
      prompt(named).ends_with("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>"));
  EXPECT_EQ(named.states[0].parts.first, Part::tool);
  EXPECT_EQ(named.rules.call_begun,
            (std::vector<TokenId>{Model::kCalls, Model::kCall, 'f', Model::kSep}));
  EXPECT_EQ(named.states[0].stop.tokens, std::vector<TokenId>{Model::kCallEnd}) << "one call";
  EXPECT_EQ(named.states[0].constraint->form, ConstraintParams::Form::grammar);
  const std::string required = R"(,"tool_choice":"required")";
  const Prepared only = chat(kTools + required);
  EXPECT_EQ(prompt(only), prompt(named)) << "there is but one to call";
  EXPECT_TRUE(only.states[0].stop.tokens.empty()) << "it may be called again";
  const Prepared any = chat(kTwoTools + required);
  EXPECT_TRUE(prompt(any).ends_with("assistant: <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"));
  EXPECT_EQ(any.states[0].constraint->form, ConstraintParams::Form::grammar);
  EXPECT_FALSE(any.states[0].constraint->call_begin) << "nothing lifts the form";
  const Prepared one = chat(kTwoTools + required + R"(,"parallel_tool_calls":false)");
  EXPECT_EQ(one.states[0].stop.tokens, std::vector<TokenId>{Model::kCallEnd});
}

TEST_F(PrepareSpecial, there_is_no_call_behind_no_prompt) {
  for (const char* thinking : {"true", "false"}) {
    const auto prepared = prepare_chat(
        fmt::format(R"({{"input_ids":[],"tool_choice":"required","tools":[{{"type":"function",
                    "function":{{"name":"f"}}}}],"chat_template_kwargs":{{"thinking":{}}}}})",
                    thinking),
        model_, {});
    ASSERT_FALSE(prepared);
    EXPECT_EQ(prepared.error().param, "messages");
  }
}

TEST_F(PrepareSpecial, a_model_that_is_to_reason_does_so_before_it_must_call) {
  const std::string required = kTwoTools + R"(,"tool_choice":"required")";
  const Prepared thinks = chat(required + R"(,"thinking":{"type":"enabled"})");
  EXPECT_TRUE(prompt(thinks).ends_with("assistant: <think>"));
  EXPECT_TRUE(thinks.rules.begins_reasoning && thinks.rules.call_begun.empty());
  const ConstraintParams& form = *thinks.states[0].constraint;
  EXPECT_TRUE(form.waits);
  EXPECT_EQ(form.reasoning_end, Model::kThought);
  EXPECT_FALSE(form.call_begin);
  EXPECT_TRUE(form.text.starts_with("root ::= <｜tool▁calls▁begin｜> <｜tool▁call▁begin｜> named"));
}

TEST_F(PrepareSpecial, the_arguments_of_a_call_that_must_come_keep_to_its_schema) {
  const auto tools = [](const std::string& more) {
    return R"(,"tool_choice":"required","tools":[{"type":"function","function":{"name":"f",)" +
           more + "}}]";
  };
  const Prepared kept =
      chat(tools(R"("parameters":{"type":"object","properties":{"a":{"type":"integer"}}})"));
  EXPECT_NE(kept.states[0].constraint->text.find(R"("a":{"type":"integer"})"), std::string::npos);
  EXPECT_FALSE(kept.states[0].constraint->call_begin || kept.states[0].constraint->reasoning_end);
  const std::string hard = R"("parameters":{"type":"object","not":{}})";
  EXPECT_EQ(chat(tools(hard)).states[0].constraint->text.find("not"), std::string::npos);
  const auto strict = prepare_body(
      Dialect::chat,
      R"({"messages":[{"role":"user","content":"q"}])" + tools(hard + R"(,"strict":true)") + "}",
      model_, {});
  ASSERT_FALSE(strict);
  EXPECT_EQ(strict.error().param, "tools[0].function.parameters");
}

TEST_F(PrepareSpecial, a_model_without_markers_can_be_asked_but_not_made_to_call) {
  const auto ask = [](const char* choice) {
    return prepare_body(Dialect::chat,
                        R"({"messages":[{"role":"user","content":"q"}])" + kTools +
                            R"(,"tool_choice":")" + choice + "\"}",
                        kModel, {});
  };
  EXPECT_TRUE(ask("auto"));
  EXPECT_EQ(ask("required").error().param, "tool_choice");
}

TEST_F(PrepareSpecial, a_gap_is_filled_between_its_markers) {
  const auto prepared = prepare_completion(R"({"prompt":"ab","suffix":"c"})", model_, {});
  EXPECT_EQ(prepared->states[0].prompt, (std::vector<TokenId>{Model::kBegin, Model::kFim, 'a', 'b',
                                                              Model::kHole, 'c', Model::kFimEnd}));
}

TEST_F(PrepareSpecial, an_answer_to_go_on_with_may_be_echoed) {
  const auto prepared = prepare_chat(
      R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"Ro"}],
          "continue_final_message":true,"echo":true})",
      model_, {});
  EXPECT_TRUE(prompt(*prepared).ends_with("assistant: Ro"));
  EXPECT_EQ(prepared->echoes, std::vector<std::string>{"Ro"});
}

TEST(Prepare, a_form_goes_with_the_request_and_binds_what_is_no_reasoning) {
  testing::FakeModel model;
  model.make_special();
  const std::string head = R"({"messages":[{"role":"user","content":"hi"}],"ignore_eos":true,)";
  const std::string schema =
      R"("response_format":{"type":"json_schema","json_schema":{"schema":{"type":"null"}}})";
  auto prepared = prepare_chat(head + schema + "}", model, {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  const auto& form = prepared->states[0].constraint;
  ASSERT_TRUE(form);
  EXPECT_EQ(form->form, ConstraintParams::Form::json_schema);
  EXPECT_EQ(form->text, R"({"type":"null"})");
  EXPECT_FALSE(form->waits);
  EXPECT_FALSE(form->reasoning_begin) << "nobody has asked for reasoning";
  EXPECT_EQ(form->reasoning_end, testing::FakeModel::kThought);
  EXPECT_FALSE(form->call_begin);
  EXPECT_FALSE(prepared->states[0].stop.ignore_eos) << "a form has an end";

  prepared =
      prepare_chat(head + schema + R"(,"chat_template_kwargs":{"thinking":true}})", model, {});
  ASSERT_TRUE(prepared);
  EXPECT_TRUE(prepared->states[0].constraint->waits);
  EXPECT_FALSE(prepared->states[0].constraint->reasoning_begin);

  // A template that leaves it to the model to begin.
  prepared = prepare_chat(head + schema + R"(,"chat_template_kwargs":{"enable_thinking":true}})",
                          model, {});
  ASSERT_TRUE(prepared);
  const auto& free = prepared->states[0].constraint;
  EXPECT_TRUE(free->waits || free->reasoning_begin == testing::FakeModel::kThink);

  const std::string tools =
      R"("tools":[{"type":"function","function":{"name":"f","parameters":{}}}],)";
  prepared = prepare_chat(head + tools + schema + "}", model, {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_EQ(prepared->states[0].constraint->call_begin, testing::FakeModel::kCalls);
  prepared = prepare_chat(head + tools + R"("tool_choice":"required",)" + schema + "}", model, {});
  ASSERT_TRUE(prepared);
  EXPECT_EQ(prepared->states[0].constraint->form, ConstraintParams::Form::grammar)
      << "a call is all that may come, with any arguments";
}

TEST(Prepare, every_kind_of_form_is_understood) {
  using Form = ConstraintParams::Form;
  const std::tuple<const char*, Form, const char*> cases[] = {
      {R"("response_format":{"type":"json_object"})", Form::json_object, ""},
      {R"("structured_outputs":{"regex":"[ab]+"})", Form::regex, "[ab]+"},
      {R"("guided_choice":["a","b"])", Form::choice, R"(["a","b"])"},
      {R"("guided_json":"{\"type\":\"null\"}")", Form::json_schema, R"({"type":"null"})"},
      {R"("guided_grammar":"root ::= \"x\"")", Form::grammar, R"(root ::= "x")"}};
  for (const auto& [field, form, text] : cases) {
    const auto prepared =
        prepare_completion(std::string(R"({"prompt":"ab",)") + field + "}", kModel, {});
    ASSERT_TRUE(prepared) << field << prepared.error().message;
    ASSERT_TRUE(prepared->states[0].constraint) << field;
    EXPECT_EQ(prepared->states[0].constraint->form, form);
    EXPECT_EQ(prepared->states[0].constraint->text, text);
    EXPECT_FALSE(prepared->states[0].constraint->reasoning_begin);
  }
}

TEST(Prepare, a_form_that_can_not_be_kept_is_refused_by_its_keyword) {
  const auto prepared = prepare_completion(
      R"({"prompt":"a","response_format":{"type":"json_schema","json_schema":
          {"schema":{"properties":{"x":{"not":{}}}}}}})",
      kModel, {});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().status, 400);
  EXPECT_EQ(prepared.error().param, "response_format.json_schema.schema");
  EXPECT_EQ(prepared.error().message,
            "json_schema: the keyword 'not' is not supported, at #/properties/x.");
}

}  // namespace
}  // namespace baton::server::api
