// A prefill machine driven by hand: two layers, four pages, chunks of one page.
#pragma once

#include <gtest/gtest.h>

#include "prefill/invariants.h"
#include "prefill/prefill_state.h"

namespace baton::prefill {

class PrefillStateTest : public testing::Test {
 protected:
  PrefillStateTest() : PrefillStateTest(make_setup()) {}
  explicit PrefillStateTest(PrefillSetup setup) : state_(std::move(setup)) {}
  static PrefillSetup make_setup();
  Actions step(const Event& event) {
    Actions actions = state_.step(event, now_);
    EXPECT_EQ(broken_invariant(state_), std::nullopt);
    for (const Action& action : actions)
      if (const auto* compute = std::get_if<Compute>(&action)) computing_ = *compute;
    return actions;
  }
  Actions after(Duration time) {
    now_ += time;
    return step(Tick{});
  }
  Actions say(ToPrefill message) { return step(DecodeSaid{kLink, std::move(message)}); }
  Actions order(uint64_t job, uint32_t entries, std::optional<uint32_t> scores = std::nullopt) {
    PrefillJob order{kSelf, JobId{job}, RequestId{job}, Attempt{1}, {}, "", "", 0, {}, scores};
    order.prompt.assign(entries + 1, static_cast<TokenId>(job));  // no two begin the same
    return say(order);
  }
  // Decode keeps the first `kept` of the job's pages and has reserved `pages` others.
  Actions reserve(uint64_t job, uint32_t pages, uint32_t kept = 0) {
    Reserved reserved{JobId{job}, SessionId{job, 1}, {}, "frames", Duration(10s), kept};
    for (uint32_t page = 0; page < pages; ++page)
      reserved.pages.push_back({PageId{10 + page}, Epoch{3}});
    return say(reserved);
  }
  // Pages that a job could have.
  uint32_t room() const { return state_.pool().counts().free + state_.pool().counts().cached; }
  // The step in flight: both layers, then its end.
  Actions finish_step(StepId id) {
    Actions all;
    for (uint32_t layer = 0; layer < 2; ++layer)
      for (Action& action : step(LayerDone{id, layer})) all.push_back(std::move(action));
    for (Action& action : step_done(id)) all.push_back(std::move(action));
    return all;
  }
  // With a score for each row that asks for one.
  Actions step_done(StepId id) {
    StepDone done{id, {}};
    for (const model::SequenceRows& rows : computing_.sequences) {
      model::SequenceResult& result = done.results.emplace_back();
      for (uint32_t row = 0; rows.score && row < rows.tokens.size(); ++row)
        result.scores.push_back({row, {{7, -1.0f * static_cast<float>(rows.first + row)}, 1, {}}});
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
  static std::vector<Message> told(const Actions& actions) {
    std::vector<Message> found;
    for (const auto& tell : all<TellDecode>(actions))
      if (const auto* message = std::get_if<Message>(&tell.message)) found.push_back(*message);
    return found;
  }

  static constexpr Incarnation kSelf{5};
  static constexpr LinkId kLink{1};
  Instant now_{Duration(100s)};
  Compute computing_;  // the last step
  PrefillState state_;
};

inline PrefillSetup PrefillStateTest::make_setup() {
  PrefillSetup setup;
  setup.self = kSelf;
  setup.pages = 4;
  setup.format = {2, 8};
  setup.vocab_size = 100;
  setup.context_max = 1000;
  setup.limits.jobs_max = 4;
  setup.limits.window_jobs = 2;
  setup.limits.chunk_tokens = 64;
  setup.limits.refusals_max = 2;
  return setup;
}

}  // namespace baton::prefill
