// What the codec refuses, and that no bytes at all make it do worse.
#include <gmock/gmock.h>

#include <limits>

#include "proto/codec.h"

namespace baton::rpc {
namespace {

using ::testing::HasSubstr;

template <class Message>
Result<Message> parse_text(std::string_view bytes) {
  return parse<Message>(std::as_bytes(std::span(bytes)));
}

template <class Message>
void expect_refused(const Message& message, const char* field) {
  const auto parsed = parse_text<Message>(serialize(message));
  ASSERT_FALSE(parsed) << field;
  EXPECT_EQ(parsed.error().code, ErrorCode::corrupt);
  EXPECT_THAT(parsed.error().message, HasSubstr(field));
}

ToDecode submit_with(auto change) {
  Submit submit;
  change(submit.request);
  return submit;
}

TEST(CodecRefuses, floats_that_are_not_finite) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    expect_refused(submit_with([&](auto& r) { r.sampling.temperature = bad; }), "temperature");
    expect_refused(submit_with([&](auto& r) { r.sampling.top_p = bad; }), "top_p");
    expect_refused(submit_with([&](auto& r) { r.sampling.min_p = bad; }), "min_p");
    expect_refused(submit_with([&](auto& r) { r.sampling.presence_penalty = bad; }), "presence");
    expect_refused(submit_with([&](auto& r) { r.sampling.frequency_penalty = bad; }), "frequency");
    expect_refused(submit_with([&](auto& r) { r.sampling.repetition_penalty = bad; }),
                   "repetition");
    expect_refused(submit_with([&](auto& r) { r.sampling.logit_bias = {{1, bad}}; }), "logit_bias");
    expect_refused(FromDecode(Progress{.tokens = {TokenEvent{.logprob = bad}}}), "logprob");
    PromptScores scores;
    scores.scores.scores = {{.token = {.token = 1, .logprob = bad}}};
    expect_refused(FromPrefill(scores), "PromptScore");
  }
}

TEST(CodecRefuses, what_is_no_token_id) {
  const TokenId bad = uint32_t{1} << 31;
  expect_refused(submit_with([&](auto& r) { r.prompt = {1, bad}; }), "prompt");
  expect_refused(submit_with([&](auto& r) { r.stop.tokens = {bad}; }), "stop tokens");
  expect_refused(submit_with([&](auto& r) { r.known = {{}, {bad}}; }), "known");
  expect_refused(submit_with([&](auto& r) {
                   r.sampling.logit_bias = {{bad, 1.0f}};
                 }),
                 "logit_bias");
  expect_refused(ToPrefill(PrefillJob{.prompt = {bad}}), "prompt");
  expect_refused(FromDecode(Progress{.tokens = {TokenEvent{.token = bad}}}), "token");
}

TEST(CodecRefuses, logit_biases_out_of_order) {
  expect_refused(submit_with([](auto& r) {
                   r.sampling.logit_bias = {{2, 1.0f}, {1, 1.0f}};
                 }),
                 "ascending");
  expect_refused(submit_with([](auto& r) {
                   r.sampling.logit_bias = {{2, 1.0f}, {2, 1.0f}};
                 }),
                 "ascending");
}

TEST(CodecRefuses, tokens_of_a_list_out_of_order) {
  expect_refused(submit_with([](auto& r) { r.sampling.allowed = {2, 2}; }), "ascending");
  expect_refused(submit_with([](auto& r) {
                   r.parts.markers = {{.token = 2}, {.token = 1}};
                 }),
                 "markers");
}

TEST(CodecRefuses, negative_durations_but_not_a_deadline_that_has_passed) {
  expect_refused(ToPrefill(Reserved{.lease = -1ns}), "lease");
  expect_refused(ToPrefill(NotBefore{.delay = -1ns}), "delay");
  expect_refused(FromPrefill(Seal{.computed = -1ns}), "computed");
  expect_refused(FromScheduler(NotPlaced{.retry_after = -1ns}), "retry_after");
  expect_refused(FromDecode(Progress{.times = DecodeTimes{.waited = -1ns}}), "waited");
  EXPECT_TRUE(parse_text<ToDecode>(serialize(submit_with([](auto& r) { r.time_left = -1ns; }))));
}

TEST(CodecRefuses, unknown_enum_values) {
  // PartParams.first of a submitted request: 77.
  expect_refused(submit_with([](auto& r) { r.parts.first = static_cast<Part>(77); }), "part");
  expect_refused(submit_with([](auto& r) {
                   r.constraint = ConstraintParams{.form = static_cast<ConstraintParams::Form>(77)};
                 }),
                 "form");
  // FromDecode.gave_up (2) of two bytes: GaveUp.why (3) = 77, then none at all.
  EXPECT_THAT(parse_text<FromDecode>("\x12\x02\x18\x4D").error().message, HasSubstr("GaveUp.why"));
  EXPECT_FALSE(parse_text<FromDecode>(std::string_view("\x12\x00", 2)));
}

TEST(CodecRefuses, messages_of_no_kind_and_bytes_that_are_no_message) {
  EXPECT_FALSE(parse_text<ToScheduler>(""));
  EXPECT_FALSE(parse_text<FromScheduler>(""));
  EXPECT_FALSE(parse_text<ToPrefill>(""));
  EXPECT_FALSE(parse_text<FromPrefill>(""));
  EXPECT_FALSE(parse_text<ToDecode>(""));
  EXPECT_FALSE(parse_text<FromDecode>(""));
  EXPECT_FALSE(parse_text<GenerateEvent>(""));
  EXPECT_FALSE(parse_text<ToDecode>("these are no message"));
}

TEST(CodecRefuses, missing_parts_and_unknown_versions) {
  // ToDecode.submit (1), empty; then with a RequestState (2) that is empty: no version.
  EXPECT_THAT(parse_text<ToDecode>(std::string_view("\x0A\x00", 2)).error().message,
              HasSubstr("Submit.request"));
  EXPECT_THAT(parse_text<ToDecode>(std::string_view("\x0A\x02\x12\x00", 4)).error().message,
              HasSubstr("version"));
  EXPECT_THAT(parse_text<ToScheduler>(std::string_view("\x0A\x00", 2)).error().message,
              HasSubstr("Heartbeat.peer"));
}

TEST(CodecRefuses, a_public_call_with_the_field_at_fault) {
  GenerateCall call;
  call.prompt = "text";
  call.sampling.temperature = std::numeric_limits<float>::quiet_NaN();
  call.given.temperature = true;
  const auto parsed = parse_text<GenerateCall>(serialize(call));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(parsed.error().param, "temperature");
  EXPECT_EQ(parse_text<GenerateCall>("").error().param, "prompt");
}

TEST(Codec, text_that_is_not_utf8_is_replaced_so_that_no_link_falls) {
  const auto text_after = [](std::string text) {
    const auto parsed =
        parse_text<GenerateEvent>(serialize(GenerateEvent(TokenEvent{.text = text})));
    return parsed ? std::get<TokenEvent>(*parsed).text : "refused";
  };
  EXPECT_EQ(text_after("h\xC3\xA9 \xF0\x9F\x98\x80"), "h\xC3\xA9 \xF0\x9F\x98\x80");
  EXPECT_EQ(text_after("a\xFF"), "a\xEF\xBF\xBD");
  EXPECT_EQ(text_after("\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD");           // cut short
  EXPECT_EQ(text_after("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");           // overlong
  EXPECT_EQ(text_after("\xED\xA0\x80").substr(0, 3), "\xEF\xBF\xBD");      // a surrogate
  EXPECT_EQ(text_after("\xF4\x90\x80\x80").substr(0, 3), "\xEF\xBF\xBD");  // past U+10FFFF
  const std::string tenant = "\xFF\xFE";  // a tenant is bytes: two of them must stay two
  EXPECT_EQ(
      std::get<PrefillJob>(*parse_text<ToPrefill>(serialize(PrefillJob{.tenant = tenant}))).tenant,
      tenant);
}

TEST(Codec, cut_and_flipped_bytes_are_refused_or_read_but_never_worse) {
  const ToDecode message = submit_with([](auto& r) {
    r.prompt = {1, 2, 300};
    r.model = "demo";
    r.known = {{1}, {2, 3}};
    r.stop.strings = {"end"};
  });
  const std::string bytes = serialize(message);
  for (size_t length = 0; length < bytes.size(); ++length) {
    (void)parse_text<ToDecode>(bytes.substr(0, length));
  }
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto parsed = parse_text<ToDecode>(flipped);
    if (!parsed) continue;
    EXPECT_TRUE(parse_text<ToDecode>(serialize(*parsed))) << bit;
  }
}

}  // namespace
}  // namespace baton::rpc
