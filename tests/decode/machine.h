// A decode machine driven by hand: eight pages, a prefix cache or none, a model that says what it
// is told to.
#pragma once

#include <gtest/gtest.h>

#include "decode/decode_state.h"
#include "decode/invariants.h"
#include "tests/simulation/fake_model.h"

namespace baton::decode {

class DecodeStateTest : public testing::Test {
 protected:
  explicit DecodeStateTest(uint32_t growth_tokens = DecodeLimits{}.growth_tokens)
      : DecodeStateTest(setup(growth_tokens)) {}
  explicit DecodeStateTest(DecodeSetup setup)
      : state_(std::move(setup), tokenizer_, [this] { return ++drawn_; }) {}
  static constexpr Incarnation kSelf{5};
  static constexpr LinkId kGateway{1};
  inline static const Peer kPrefill{"prefill-0", Incarnation{9}, "p"};

  static DecodeSetup setup(uint32_t growth_tokens) {
    DecodeSetup setup;
    setup.limits.growth_tokens = growth_tokens;
    setup.self = kSelf;
    setup.pages = 8;
    setup.prefix_caching = false;
    setup.format = simulation::kFormat;
    setup.model = {simulation::kVocabulary, 1000, {simulation::kEndToken}};
    setup.limits.requests_max = 3;
    setup.limits.sequences_max = 4;
    setup.limits.rows_max = 64;
    return setup;
  }
  static RequestState request(uint64_t id, uint32_t prompt, uint32_t choices = 1,
                              uint32_t max_tokens = 10) {
    RequestState request;
    request.id = RequestId{id};
    request.attempt = Attempt{1};
    request.prompt.assign(prompt, 7);
    request.choices = choices;
    request.stop.max_tokens = max_tokens;
    return request;
  }
  Actions step(const Event& event) {
    Actions actions = state_.step(event, now_);
    EXPECT_EQ(broken_invariant(state_), std::nullopt);
    return actions;
  }
  Actions after(Duration time) {
    now_ += time;
    return step(Tick{});
  }
  Actions submit(const RequestState& request, std::optional<Peer> prefill = std::nullopt) {
    return step(GatewaySaid{kGateway, Submit{kSelf, request, prefill}});
  }
  // The step's answer: each sequence that samples says these tokens.
  Actions answer(const Compute& compute, const std::vector<TokenId>& tokens) {
    StepDone done{compute.step, {}};
    for (const model::SequenceRows& rows : compute.sequences) {
      model::SequenceResult result;
      if (rows.sampling)
        for (const TokenId token : tokens) result.tokens.push_back({token, 0, {}, {}});
      for (uint32_t row = 0; rows.score && row < rows.tokens.size(); ++row)
        result.scores.push_back({row, {{7, -1}, 1, {}}});
      done.results.push_back(result);
    }
    return step(done);
  }
  template <class Wanted>
  static std::vector<Wanted> all(const Actions& actions) {
    std::vector<Wanted> found;
    for (const Action& action : actions)
      if (const auto* wanted = std::get_if<Wanted>(&action)) found.push_back(*wanted);
    return found;
  }
  template <class Message>
  static std::vector<Message> to_gateway(const Actions& actions) {
    std::vector<Message> found;
    for (const auto& tell : all<TellGateway>(actions))
      if (const auto* message = std::get_if<Message>(&tell.message)) found.push_back(*message);
    return found;
  }
  uint32_t free_pages() const { return state_.pool().counts().free; }

  text::Tokenizer tokenizer_ = simulation::fake_tokenizer();
  Instant now_{Duration(100s)};
  uint64_t drawn_ = 0;
  DecodeState state_;
};

class DecodeCacheTest : public DecodeStateTest {
 protected:
  DecodeCacheTest() : DecodeStateTest(caching()) {}
  static DecodeSetup caching() {
    DecodeSetup setup = DecodeStateTest::setup(DecodeLimits{}.growth_tokens);
    setup.prefix_caching = true;
    return setup;
  }
  // Says one token of the request, which is for one, after its prompt is filled. Rows filled.
  uint32_t run(const RequestState& request, std::optional<Peer> prefill = std::nullopt) {
    uint32_t rows = 0;
    for (auto compute = all<Compute>(submit(request, prefill)); !compute.empty();) {
      for (const model::SequenceRows& sequence : compute[0].sequences)
        rows += sequence.sampling ? 0 : static_cast<uint32_t>(sequence.tokens.size());
      compute = all<Compute>(answer(compute[0], {3}));
    }
    EXPECT_EQ(state_.live(), 0u);
    return rows;
  }
  uint32_t cached() const { return state_.pool().counts().cached; }
};

}  // namespace baton::decode
