#include "decode/decode_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

namespace baton::decode {

DecodeState::DecodeState(DecodeSetup setup, const text::Tokenizer& tokenizer, DrawId draw)
    : setup_(std::move(setup)),
      tokenizer_(tokenizer),
      namer_(setup_.manifest, setup_.cache_secret),
      cache_({.pages = setup_.pages}, setup_.prefix_caching),
      receiver_(cache_.session_pool(), setup_.format, setup_.sessions),
      handoffs_(setup_.limits, cache_, receiver_, setup_.frame_address, setup_.sessions.lease,
                std::move(draw)),
      batch_(setup_.limits),
      policy_(setup_.limits.draft_tokens) {
  pin_all(cache_, namer_, setup_.pinned);
}

Actions DecodeState::step(const Event& event, Instant now) {
  now_ = now;
  run_timers();
  std::visit([this](const auto& e) { on(e); }, event);
  collect_handoffs();
  give_pages();
  join_batch();
  grow();
  compute();
  beat();
  if (draining_ && !drained_ && requests_.empty() && !batch_.in_flight()) {
    drained_ = true;
    actions_.push_back(Drained{});
  }
  return std::exchange(actions_, {});
}

// ---- what gateways say -------------------------------------------------------------------------

void DecodeState::on(const GatewaySaid& said) {
  if (const auto* message = std::get_if<Submit>(&said.message)) submit(said.link, *message);
  if (const auto* message = std::get_if<Cancel>(&said.message)) {
    const auto found = requests_.find(message->request);
    if (found != requests_.end() && found->second.state.attempt <= message->attempt) cancel(found);
  }
}

void DecodeState::on(const GatewayDown& down) {
  for (auto it = requests_.begin(); it != requests_.end();) {
    const auto next = std::next(it);
    if (it->second.link == down.link) cancel(it);
    it = next;
  }
}

void DecodeState::submit(LinkId link, const Submit& submit) {
  const RequestState& state = submit.request;
  if (const auto former = requests_.find(state.id); former != requests_.end()) {
    if (former->second.state.attempt >= state.attempt) return;  // it came twice, or too late
    cancel(former);
  }
  if (submit.to != setup_.self)
    return refuse(link, state, GiveUp::place_again,
                  "the request is meant for another life of this instance");
  if (draining_) return refuse(link, state, GiveUp::draining, "this instance is draining");
  if (const auto valid = validate(state, setup_.limits, setup_.model, setup_.pages); !valid)
    return refuse(link, state, GiveUp::invalid, valid.error().message);
  if (requests_.size() >= setup_.limits.requests_max)
    return refuse(link, state, GiveUp::full,
                  fmt::format("this instance already has {} requests", requests_.size()));

  ++counts_.accepted;
  beat_due_ = true;
  Request& request = requests_[state.id];
  request.state = state;
  request.link = link;
  request.need = page_need(state, setup_.limits);
  request.arrival = arrivals_++;
  request.born = now_ - std::min<Duration>(state.age, now_.time_since_epoch());
  fair_.enter(state.tenant);
  request.submitted = request.phase_since = request.said = now_;
  const Duration time_left =
      std::min(state.time_left.value_or(setup_.limits.time_max), setup_.limits.time_max);
  request.deadline = now_ + time_left;
  request.prefill = submit.prefill;
  if (cache_.enabled())
    request.names = namer_
                        .names(kvcache::cache_tenant(state.tenant, state.cache_salt),
                               std::span(state.prompt).first(state.prompt.size() - 1))
                        .full;
  want_form(request);
  if (request.phase != Phase::compiling) get_prompt(request);
  arm(next_timer(request));
}

void DecodeState::want_form(Request& request) {
  if (!request.state.constraint || request.state.stop.max_tokens == 0) return;
  const Forms::Key key = Forms::key(*request.state.constraint);
  request.form = forms_.find(key);
  if (request.form) return;
  request.phase = Phase::compiling;
  if (forms_.order(key)) actions_.push_back(CompileForm{key});
}

void DecodeState::on(const FormCompiled& compiled) {
  forms_.put(compiled.key, compiled.language ? *compiled.language : nullptr);
  for (auto it = requests_.begin(); it != requests_.end();) {
    const auto current = it++;
    Request& request = current->second;
    if (request.phase != Phase::compiling || Forms::key(*request.state.constraint) != compiled.key)
      continue;
    if (!compiled.language) {
      give_up(current, GiveUp::invalid, std::nullopt, compiled.language.error().message);
      continue;
    }
    request.form = *compiled.language;
    get_prompt(request);
  }
}

// From prefill, or by filling here what is not here yet, if that is little.
void DecodeState::get_prompt(Request& request) {
  const auto names = readable(request);
  const uint64_t rest =
      request.state.prompt.size() - 1 - uint64_t{cache_.known(names).pages} * kPageTokens;
  if (request.prefill && rest > setup_.limits.local_prefill_tokens) {
    request.phase = Phase::at_prefill;
    handoffs_.start(request.state, *request.prefill, request.deadline - now_,
                    {names.begin(), names.end()}, now_);
  } else {
    request.phase = Phase::wants_pages;
  }
  arm(next_timer(request));
}

// ---- how a request ends ------------------------------------------------------------------------

void DecodeState::refuse(LinkId link, const RequestState& request, GiveUp why, std::string reason) {
  ++counts_.refused;
  actions_.push_back(
      TellGateway{link, GaveUp{request.id, request.attempt, why, std::nullopt, std::move(reason)}});
}

void DecodeState::cancel(Map::iterator request) {
  ++counts_.cancelled;
  erase(request);
}

void DecodeState::give_up(Map::iterator it, GiveUp why, std::optional<Incarnation> blame,
                          std::string reason) {
  ++counts_.given_up;
  const RequestState& state = it->second.state;
  actions_.push_back(
      TellGateway{it->second.link, GaveUp{state.id, state.attempt, why, blame, std::move(reason)}});
  erase(it);
}

// Frees all that it holds; what the step in flight reads is freed when that is done.
void DecodeState::erase(Map::iterator it) {
  Request& request = it->second;
  handoffs_.cancel(it->first, "the request has ended", now_);
  release(batch_.remove(it->first));
  release(request.prompt_pages);
  release(request.growth_pages);
  fair_.leave(request.state.tenant);
  requests_.erase(it);
  beat_due_ = true;
}

// ---- from the hand-off to the batch ------------------------------------------------------------

void DecodeState::tell_scores(RequestId id, PromptScoreRun scores) {
  Request& request = requests_.at(id);
  request.said = now_;
  actions_.push_back(TellGateway{
      request.link, Progress{id, request.state.attempt, {}, std::nullopt, std::move(scores)}});
}

// A request for no tokens has been scored: its times say that it is over.
void DecodeState::conclude(Map::iterator it) {
  Request& request = it->second;
  actions_.push_back(TellGateway{
      request.link, Progress{it->first, request.state.attempt, {}, request.times, std::nullopt}});
  ++counts_.finished;
  erase(it);
}

void DecodeState::collect_handoffs() {
  for (Handoffs::Scored& scored : handoffs_.take_scored())
    tell_scores(scored.request, std::move(scored.scores));
  for (Handoffs::Done& done : handoffs_.take_done()) {
    Request& request = requests_.at(done.request);
    request.prompt_pages = std::move(done.prompt_pages);
    request.growth_pages = std::move(done.growth_pages);
    counts_.pages_kept += done.kept;
    publish(request);
    const auto entries = static_cast<uint32_t>(request.state.prompt.size()) - 1;
    const uint32_t found = std::max(done.cached, done.kept * kPageTokens);
    fill_costs_.prefilled(entries - std::min(entries, found), done.landed - done.reserved);
    request.times.queued = done.reserved - request.submitted;
    request.times.prefilled = done.landed - done.reserved;
    request.times.exposed = now_ - done.landed;
    request.times.cached_tokens = done.cached;
    request.times.fetched_tokens = done.fetched;
    request.times.kvstore = std::move(done.kvstore);
    request.phase = Phase::waiting;
    request.phase_since = now_;
    beat_due_ = true;
  }
  for (Handoffs::Lost& lost : handoffs_.take_lost()) {
    const auto found = requests_.find(lost.request);
    check(found != requests_.end(), "a job is lost of a request that is not there");
    news_due_ = now_;  // of what is kept of it
    if (lost.why == GiveUp::place_again && go_on_here(found->second)) {
      found->second.kept = lost.kept;
      continue;
    }
    give_up(found, lost.why, lost.blame, std::move(lost.reason));
  }
  for (Action& action : handoffs_.take_actions()) actions_.push_back(std::move(action));
}

// Its prefill is lost, but some of its pages are here: the rest is filled here if that costs less
// than another prefill's computing the whole.
bool DecodeState::go_on_here(Request& request) {
  const auto entries = static_cast<uint32_t>(request.state.prompt.size()) - 1;
  const uint32_t here = cache_.known(readable(request)).pages * kPageTokens;
  if (draining_ || here == 0 || !fill_costs_.cheaper_here(entries - here, entries)) return false;
  request.phase = Phase::wants_pages;
  request.phase_since = now_;
  ++counts_.went_on;
  beat_due_ = true;
  arm(next_timer(request));
  return true;
}

// Decode prefills the prompt itself; its choices run when that is done.
void DecodeState::fill(Map::iterator it) {
  Request& request = it->second;
  request.times.waited = now_ - request.phase_since;
  request.phase = Phase::filling;
  request.phase_since = now_;
  Sequence sequence;
  sequence.request = it->first;
  sequence.fills_only = true;
  sequence.tokens = request.state.prompt;
  sequence.prompt_tokens = static_cast<uint32_t>(request.state.prompt.size());
  sequence.cached = request.filled;
  sequence.pages = std::exchange(request.prompt_pages, {});
  sequence.score = request.state.report.prompt_logprobs;
  batch_.add(std::move(sequence));
}

// All choices fork at position n - 1, with the tokens that are known of each.
void DecodeState::run(Map::iterator it) {
  Request& request = it->second;
  if (request.phase == Phase::waiting) request.times.waited += now_ - request.phase_since;
  request.phase = Phase::running;
  request.phase_since = now_;
  request.said = now_;
  const RequestState& state = request.state;
  const auto n = static_cast<uint32_t>(state.prompt.size());
  std::vector<std::vector<PageId>> pages;
  for (ChoiceIndex choice = 0; choice < state.choices; ++choice)
    pages.push_back(pages_of_choice(request, choice));
  check(request.growth_pages.empty(), "pages are left over after all choices have theirs");
  request.prompt_pages.clear();  // choice 0 has them now

  for (ChoiceIndex choice = 0; choice < state.choices; ++choice) {
    OutputText text(tokenizer_, state, choice, setup_.model.end_tokens);
    std::optional<FormKeeper> form;
    if (request.form)
      form.emplace(*state.constraint, request.form, text.stop_tokens(), setup_.limits.draft_tokens);
    std::vector<TokenId> tokens = state.prompt;
    if (!state.known.empty()) {
      for (const TokenId token : state.known[choice]) {
        if (text.finished()) break;
        text.push(token);  // the client has this text
        if (form) form->push(token);
        tokens.push_back(token);
        ++counts_.tokens_replayed;
      }
    }
    const bool finished = text.finished();
    Sequence sequence{it->first,
                      choice,
                      false,
                      std::move(tokens),
                      n,
                      n - 1,
                      std::move(pages[choice]),
                      state.sampling,
                      state.report,
                      text.stop_tokens(),
                      state.stop.min_tokens,
                      state.stop.max_tokens,
                      {},
                      text.parts(),
                      std::nullopt,
                      std::move(form)};
    request.choices.push_back(Choice{std::move(text)});
    if (finished) {
      release(sequence.pages);
      continue;
    }
    ++request.open_choices;
    batch_.add(std::move(sequence));
  }
  if (request.open_choices == 0)  // a gateway that knows all does not ask
    give_up(it, GiveUp::invalid, std::nullopt, "all choices of the request have ended already");
}

// ---- steps -------------------------------------------------------------------------------------

void DecodeState::compute() {
  if (batch_.in_flight()) return;
  const auto [sampling, filling] = batch_.kinds();
  const uint32_t depth = policy_.depth(sampling);
  auto sequences = batch_.build(depth);
  if (sequences.empty()) return;
  measured_ = {.sequences = sampling, .depth = depth, .filled = filling};
  step_begun_ = now_;
  counts_.draft_depth = depth;
  size_t step_rows = 0;
  for (const model::SequenceRows& rows : sequences) {
    step_rows += rows.tokens.size() + rows.drafts.size();
    counts_.drafts_tried += rows.drafts.size();
    measured_.verified += rows.drafts.size();
  }
  counts_.step_rows.observe(static_cast<double>(step_rows));
  actions_.push_back(Compute{StepId{++step_.value}, std::move(sequences)});
}

namespace {

// Broken weights may give logits that no message can carry: their request fails, and it alone.
bool is_finite(const RunningBatch::Sampled& sampled) {
  const auto finite = [](const auto& token) { return std::isfinite(token.logprob); };
  return std::ranges::all_of(sampled.tokens, [&](const model::SampledToken& token) {
    return finite(token) && std::ranges::all_of(token.top, finite);
  });
}

}  // namespace

void DecodeState::on(const StepDone& done) {
  if (done.step != step_ || !batch_.in_flight()) return;
  RunningBatch::Outcome outcome = batch_.complete(done.results);
  release(outcome.freed);
  for (const auto& sampled : outcome.sampled) measured_.tokens += sampled.tokens.size();
  measured_.took = now_ - step_begun_;
  counts_.computing += measured_.took;
  policy_.ended(measured_);
  for (RunningBatch::Scored& scored : outcome.scored)
    tell_scores(scored.request, std::move(scored.scores));
  for (const RequestId id : outcome.filled) {
    const auto found = requests_.find(id);
    Request& request = found->second;
    request.prompt_pages = batch_.remove(id);
    publish(request);
    request.times.prefilled = now_ - request.phase_since;
    fill_costs_.filled(static_cast<uint32_t>(request.state.prompt.size()) - 1 - request.filled,
                       request.times.prefilled);
    if (request.state.stop.max_tokens == 0)
      conclude(found);
    else
      run(found);
  }
  std::map<RequestId, Progress> progress;
  std::set<RequestId> without_numbers;
  for (const RunningBatch::Sampled& sampled : outcome.sampled) {
    if (!is_finite(sampled)) without_numbers.insert(sampled.request);
  }
  for (const RunningBatch::Sampled& sampled : outcome.sampled) {
    if (!without_numbers.contains(sampled.request)) deliver(sampled, progress);
  }
  for (const RequestId id : without_numbers) {
    give_up(requests_.find(id), GiveUp::place_again, std::nullopt,
            "the model's logits are not finite numbers");
  }
  for (auto& [id, message] : progress) {
    const auto found = requests_.find(id);
    Request& request = found->second;
    if (!request.times_told) {
      request.times_told = true;
      request.times.first_step = now_ - request.phase_since;
      message.times = request.times;
    }
    request.said = now_;
    actions_.push_back(TellGateway{request.link, std::move(message)});
    if (request.open_choices > 0) continue;
    ++counts_.finished;
    erase(found);
  }
}

void DecodeState::deliver(const RunningBatch::Sampled& sampled,
                          std::map<RequestId, Progress>& progress) {
  Request& request = requests_.at(sampled.request);
  Choice& choice = request.choices[sampled.choice];
  Progress& message = progress[sampled.request];
  message.request = sampled.request;
  message.attempt = request.state.attempt;
  counts_.drafts_accepted += sampled.tokens.size() - 1;
  fair_.charge(request.state.tenant, sampled.tokens.size());
  for (const model::SampledToken& token : sampled.tokens) {
    TokenEvent event = choice.text.push(token.token);
    event.logprob = token.logprob;
    event.top = token.top;
    event.logits = token.logits;
    message.tokens.push_back(std::move(event));
    ++counts_.tokens;
    if (!choice.text.finished()) continue;
    release(batch_.remove(sampled.request, sampled.choice));
    --request.open_choices;
    break;  // what was accepted after the end was never said
  }
}

// ---- time --------------------------------------------------------------------------------------

void DecodeState::on(const Drain&) {
  drained_ = false;  // whoever asks is answered
  if (draining_) return;
  draining_ = true;
  drain_end_ = now_ + setup_.limits.drain_max;
  arm(drain_end_);
  beat_due_ = true;
}

void DecodeState::arm(Instant at) { next_wake_ = std::min(next_wake_, at); }

Instant DecodeState::next_timer(const Request& request) const {
  Instant next = std::min(request.deadline, request.said + setup_.limits.alive_interval);
  if (request.phase == Phase::wants_pages)
    next = std::min(next, request.phase_since + setup_.limits.pages_wait_max);
  return next;
}

std::optional<Instant> DecodeState::next_deadline() const {
  if (!last_beat_) return Instant{};  // at once: the first heartbeat is due
  Instant next = std::min(next_wake_, handoffs_.next_deadline().value_or(Instant::max()));
  return std::min(next, *last_beat_ + (beat_due_ ? setup_.limits.beat_interval_min
                                                 : setup_.limits.beat_interval));
}

void DecodeState::run_timers() {
  handoffs_.run_timers(now_);
  collect_handoffs();
  if (now_ < next_wake_) return;
  for (auto it = requests_.begin(); it != requests_.end();) {
    const auto current = it++;
    Request& request = current->second;
    if (now_ >= request.deadline) {
      give_up(current, GiveUp::deadline, std::nullopt, "the request's time is over");
    } else if (now_ >= drain_end_) {
      give_up(current, GiveUp::draining, std::nullopt, "this instance is going");
    } else if (request.phase == Phase::wants_pages &&
               now_ >= request.phase_since + setup_.limits.pages_wait_max) {
      give_up(current, GiveUp::full, std::nullopt, "no pages came free in time");
    } else if (now_ >= request.said + setup_.limits.alive_interval) {
      request.said = now_;
      actions_.push_back(TellGateway{
          request.link,
          Progress{current->first, request.state.attempt, {}, std::nullopt, std::nullopt}});
    }
  }
  next_wake_ = draining_ && now_ < drain_end_ ? drain_end_ : Instant::max();
  for (const auto& [id, request] : requests_) arm(next_timer(request));
}

}  // namespace baton::decode
