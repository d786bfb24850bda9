// FakeEngine: an Engine that answers at once, fails, or holds requests until it is told.
#pragma once

#include <boost/asio/post.hpp>
#include <map>

#include "server/engine.h"
#include "tests/server/support/fake_model.h"

namespace baton::testing {

class FakeEngine final : public server::Engine {
 public:
  explicit FakeEngine(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  std::string answer = "hello";
  size_t tokens_a_turn = 1;
  bool hold = false;
  std::optional<server::api::ApiError> failure;  // instead of an answer
  std::optional<size_t> fail_after;              // tokens, then `failure`
  std::vector<RequestState> seen;
  std::atomic<int> cancelled = 0;
  server::Readiness ready{true, {}, {}};
  ClusterView view;
  std::vector<Incarnation> rebalanced;
  std::function<void()> on_cancelled;

  std::unique_ptr<server::Generation> submit(RequestState request,
                                             server::GenerationEvents events) override {
    const uint64_t id = next_++;
    seen.push_back(request);
    running_.emplace(id, std::make_shared<Running>(Running{request, std::move(events), 0}));
    if (!hold) turn_soon(id);
    return std::make_unique<Handle>(*this, id);
  }
  server::Readiness readiness() const override { return ready; }
  const ClusterView& cluster() const override { return view; }
  void rebalance(Incarnation instance) override { rebalanced.push_back(instance); }

  size_t running() const { return running_.size(); }
  // Gives every held request the next token(s) of its answer.
  void release() {
    hold = false;
    for (const auto& [id, running] : running_) turn_soon(id);
  }
  // Gives the held requests `events`, without ending them.
  void push(const std::vector<TokenEvent>& events) {
    const auto all = running_;
    for (const auto& [id, running] : all) running->events.on_tokens(events);
  }

 private:
  struct Running {
    RequestState request;
    server::GenerationEvents events;
    size_t given = 0;
  };
  class Handle final : public server::Generation {
   public:
    Handle(FakeEngine& engine, uint64_t id) : engine_(engine), id_(id) {}
    ~Handle() override {
      if (engine_.running_.erase(id_) == 0) return;
      ++engine_.cancelled;
      if (engine_.on_cancelled) engine_.on_cancelled();
    }

   private:
    FakeEngine& engine_;
    uint64_t id_;
  };

  void turn_soon(uint64_t id) {
    boost::asio::post(executor_, [this, id] { turn(id); });
  }

  void turn(uint64_t id) {
    const auto found = running_.find(id);
    if (found == running_.end()) return;
    const auto running = found->second;
    if (failure && running->given >= fail_after.value_or(0)) {
      running_.erase(id);
      return running->events.on_failed(*failure);
    }
    const auto& request = running->request;
    if (request.report.prompt_logprobs && running->given == 0) score(*running);
    const auto limit = std::min<size_t>(answer.size(), request.stop.max_tokens);
    const auto reason = limit < answer.size() ? FinishReason::length : FinishReason::stop;
    std::vector<TokenEvent> events;
    const size_t end = std::min(limit, running->given + tokens_a_turn);
    for (ChoiceIndex choice = 0; choice < request.choices; ++choice) {
      const auto all = events_of(std::string_view(answer).substr(0, limit), choice, reason);
      events.insert(events.end(), all.begin() + static_cast<long>(running->given),
                    all.begin() + static_cast<long>(end));
    }
    running->given = end;
    if (!events.empty()) running->events.on_tokens(events);
    if (!running_.contains(id)) return;
    if (end < limit) return turn_soon(id);
    running_.erase(id);
    server::Timeline timeline;
    timeline.first_token = 3ms;
    timeline.travelled = 3ms;
    timeline.attempts = 1;
    running->events.on_finished(timeline);
  }

  // Each token of the prompt but the first, and one alternative.
  static void score(const Running& running) {
    PromptScoreRun run;
    for (size_t i = 1; i < running.request.prompt.size(); ++i) {
      run.scores.push_back({{running.request.prompt[i], -1.5f}, 2, {{65, -0.25f}}});
    }
    if (running.events.on_scores) running.events.on_scores(run);
  }

  boost::asio::any_io_executor executor_;
  uint64_t next_ = 1;
  std::map<uint64_t, std::shared_ptr<Running>> running_;
};

}  // namespace baton::testing
