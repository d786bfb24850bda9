#include "tests/simulation/world.h"

#include <fmt/format.h>

#include <algorithm>

#include "decode/forms/form_compiler.h"
#include "tests/simulation/fake_model.h"

namespace baton::simulation {
namespace {

constexpr Duration kSettleTime = Duration(70s);
const std::array<const char*, 5> kMortals = {"scheduler", "prefill-0", "prefill-1", "decode-0",
                                             "decode-1"};

}  // namespace

World::World(uint64_t seed, const text::Tokenizer& tokens, Sabotage how)
    : random(seed),
      network(time, random),
      tokenizer(tokens),
      vocabulary(decode::form_bytes(tokens, kVocabulary)),
      sabotage(how) {
  faulty_ = seed % 8 != 0 && how == Sabotage::none;  // one of eight has a fair day
  pages = random.chance(0.3) ? 14 + static_cast<uint32_t>(random.below(10)) : 64;
  crowded_ = pages < 64 && random.chance(0.3);
  busy_ = network.delay(2s, 8s);
  prefills_.resize(2);
  decodes_.resize(2);
  start("scheduler");
  for (const char* name : kMortals)
    if (std::string(name) != "scheduler") start(name);
  gateway_ = std::make_unique<GatewayNode>(*this);
  if (faulty_) plan_faults();
  if (how == Sabotage::believe_frames) network.faults.frame_corrupt = 0.2;
  for (int i = 0; i < 3; ++i) {
    stems_.emplace_back(random.below(250));
    for (TokenId& token : stems_.back()) token = static_cast<TokenId>(random.below(kVocabulary));
  }
  plan_clients();
}

void World::wrong(const std::string& what) {
  if (outcome_.wrong) return;
  outcome_.wrong = fmt::format("at {:.6f} s: {}", to_seconds(time.now().time_since_epoch()), what);
}

Outcome World::run() {
  const Instant end_of_faults = time.now() + busy_;
  while (!outcome_.wrong && time.advance(end_of_faults)) {
  }
  network.faults = Faults{};
  settling = true;
  // Every request ends by its own deadline; then what was lost on the way is cleared up.
  const Instant end_of_requests = end_of_faults + 60s;
  while (!outcome_.wrong && !all_ended() && time.advance(end_of_requests)) {
  }
  if (!outcome_.wrong && !all_ended()) wrong("a request has not ended long after its deadline");
  const Instant settled = time.now() + kSettleTime;
  while (!outcome_.wrong && time.advance(settled)) {
  }
  if (!outcome_.wrong) check_settled();
  outcome_.placed_again = gateway_->state().counts().placed_again;
  outcome_.preempted = gateway_->state().counts().preempted;
  return outcome_;
}

// ---- clients -----------------------------------------------------------------------------------

// Half of the prompts begin like others: with a stem that many have, or as an earlier one did.
std::vector<TokenId> World::draw_prompt() {
  std::vector<TokenId> prompt;
  if (random.chance(0.5)) {
    prompt = stems_[random.below(stems_.size())];
    if (random.chance(0.5) && !clients_.empty()) {
      auto earlier = clients_.begin();
      std::advance(earlier, static_cast<std::ptrdiff_t>(random.below(clients_.size())));
      prompt = earlier->second.request.prompt;
    }
    if (random.chance(0.3)) prompt.resize(random.below(prompt.size() + 1));
  }
  uint64_t more = 1 + random.below(random.chance(0.3) ? 300 : 90);
  if (random.chance(0.1)) more = 1 + 64 * random.below(3);  // at the edge of a page
  if (!prompt.empty() && random.chance(0.3)) more = random.below(2);
  if (prompt.size() > 400) more = std::min<uint64_t>(more, 20);
  for (uint64_t i = 0; i < more; ++i)
    prompt.push_back(static_cast<TokenId>(random.below(kVocabulary)));
  return prompt;
}

RequestState World::draw_request(uint64_t id) {
  RequestState request;
  request.id = RequestId{id};
  request.model = "fake";
  request.prompt = draw_prompt();
  request.tenant = random.chance(0.25) ? "another tenant" : "";
  request.choices =
      !crowded_ && random.chance(0.2) ? 2 + static_cast<uint32_t>(random.below(2)) : 1;
  request.stop.max_tokens = 1 + static_cast<uint32_t>(random.below(random.chance(0.2) ? 150 : 40));
  if (random.chance(0.3)) request.stop.min_tokens = static_cast<uint32_t>(random.below(20));
  if (random.chance(0.3)) request.stop.strings = {"A", "BC"};
  request.stop.include_string = random.chance(0.3);
  if (crowded_ && random.chance(0.7)) {  // answers that outgrow the pool together
    request.stop.max_tokens = 100 + static_cast<uint32_t>(random.below(300));
    request.stop.strings.clear();
  }
  request.stop.ignore_eos = random.chance(crowded_ ? 0.9 : 0.3);
  request.priority = static_cast<int32_t>(random.below(3));
  request.sampling.seed = random.next();
  if (random.chance(0.2)) {
    request.report.prompt_logprobs = static_cast<uint32_t>(random.below(3));
    if (random.chance(0.5)) request.stop.max_tokens = request.stop.min_tokens = 0;
  }
  if (random.chance(0.3)) {
    request.parts.markers = {{5, Part::reasoning}, {6, Part::content}, {7, Part::tool}};
    request.parts.first = random.chance(0.5) ? Part::reasoning : Part::content;
    if (random.chance(0.5)) {
      request.parts.reasoning_max = static_cast<uint32_t>(random.below(20));
    }
  }
  if (random.chance(0.3)) {
    static const ConstraintParams kForms[] = {
        {.form = ConstraintParams::Form::regex, .text = "([A-Z]{3}(ab)*){2,60}"},
        {.form = ConstraintParams::Form::choice, .text = R"(["AB", "ABBA", "XYZ"])"},
        {.form = ConstraintParams::Form::grammar, .text = R"g(root ::= (word | "a" root "b"){2,40}
                     word ::= [C-W] | "\u00e9" | "\u20ac")g"}};
    request.constraint = kForms[random.below(3)];
    request.constraint->waits = random.chance(0.3);
    if (request.constraint->waits) request.constraint->reasoning_end = 6;
  }
  return request;
}

void World::plan_clients() {
  const uint64_t count = (crowded_ ? 12 : 4) + random.below(14);
  for (uint64_t id = 1; id <= count; ++id) {
    time.after(network.delay(600ms, crowded_ ? Duration(900ms) : busy_), [this, id] { begin(id); });
  }
}

void World::begin(uint64_t id) {
  Client& client = clients_[RequestId{id}];
  client.request = draw_request(id);
  if (client.request.report.prompt_logprobs) client.scores = reference_scores(client.request);
  for (ChoiceIndex choice = 0; choice < client.request.choices; ++choice) {
    client.expected.emplace_back();
    if (client.request.stop.max_tokens > 0)
      client.expected.back() = reference(client.request, choice, tokenizer);
  }
  client.received.resize(client.request.choices);
  const Duration time_left = random.chance(0.1) ? network.delay(1ms, 2s) : Duration(40s);
  const kvcache::PageNamer namer(fake_manifest(), "secret");
  std::vector<uint64_t> prefix;
  const auto entries = std::span(client.request.prompt).first(client.request.prompt.size() - 1);
  for (const auto& name : namer.names(client.request.tenant, entries).full)
    if (!client.request.report.prompt_logprobs) prefix.push_back(name.short_name());
  gateway_->feed(server::Begin{client.request, time_left, std::move(prefix)});
  if (!random.chance(faulty_ ? 0.15 : 0.05)) return;
  time.after(network.delay(0ns, 1s), [this, id] {
    Client& leaving = clients_.at(RequestId{id});
    if (leaving.ended) return;
    leaving.ended = leaving.cancelled = true;
    ++outcome_.cancelled;
    gateway_->feed(server::ClientGone{RequestId{id}});
  });
}

void World::scored(RequestId request, const PromptScoreRun& run) {
  Client& client = clients_.at(request);
  if (run.first != client.scored + 1 || client.scored + run.scores.size() > client.scores.size())
    return wrong(fmt::format("request {}: scores come from token {} where {} are known",
                             request.value, run.first, client.scored));
  if (!std::equal(run.scores.begin(), run.scores.end(), client.scores.begin() + client.scored))
    wrong(fmt::format("request {}: the prompt is scored otherwise than fault-free", request.value));
  client.scored += static_cast<uint32_t>(run.scores.size());
}

void World::delivered(RequestId request, const std::vector<TokenEvent>& tokens) {
  Client& client = clients_.at(request);
  if (client.ended) return wrong(fmt::format("request {} speaks after its end", request.value));
  for (const TokenEvent& event : tokens) {
    if (event.choice >= client.expected.size())
      return wrong("a token of a choice that is not there");
    const std::vector<TokenEvent>& expected = client.expected[event.choice];
    uint32_t& received = client.received[event.choice];
    if (event.index != received || received >= expected.size())
      return wrong(fmt::format("request {} choice {}: token {} comes where {} of {} is due",
                               request.value, event.choice, event.index, received,
                               expected.size()));
    if (event != expected[received])
      return wrong(
          fmt::format("request {} choice {}: token {} is {} '{}', fault-free it is {} '{}'",
                      request.value, event.choice, received, event.token, event.text,
                      expected[received].token, expected[received].text));
    ++received;
    ++outcome_.tokens;
  }
}

void World::ended(RequestId request, bool finished, const server::Timeline* timeline) {
  Client& client = clients_.at(request);
  if (client.ended) return wrong(fmt::format("request {} ends twice", request.value));
  client.ended = true;
  ++(finished ? outcome_.finished : outcome_.failed);
  if (!finished) return;
  if (client.scored != client.scores.size())
    wrong(fmt::format("request {} is finished without all scores", request.value));
  for (ChoiceIndex choice = 0; choice < client.expected.size(); ++choice)
    if (client.received[choice] != client.expected[choice].size())
      wrong(fmt::format("request {} is finished without all tokens of choice {}", request.value,
                        choice));
  if (server::sum_of_parts(*timeline) != timeline->first_token)
    wrong("the parts of a timeline don't sum up to the time to the first token");
  check_cached(client, *timeline);
}

// What was found must have been somebody's before: of the same tenant, and as long.
void World::check_cached(const Client& client, const server::Timeline& timeline) {
  const RequestState& request = client.request;
  const uint32_t cached = timeline.decode.cached_tokens;
  outcome_.prompt_tokens += request.prompt.size();
  outcome_.cached_tokens += cached;
  outcome_.fetched_tokens += timeline.decode.fetched_tokens;
  if (cached == 0) return;
  if (request.report.prompt_logprobs) return wrong("a prompt that was to be scored was found");
  if (cached >= request.prompt.size()) return wrong("more of a prompt was found than there is");
  for (const auto& [id, other] : clients_) {
    if (other.request.tenant != request.tenant) continue;
    if (id == request.id && timeline.attempts < 2) continue;
    const auto& theirs = other.request.prompt;
    const auto [end, _] =
        std::mismatch(request.prompt.begin(), request.prompt.end(), theirs.begin(), theirs.end());
    const auto shared = static_cast<size_t>(end - request.prompt.begin());
    if (std::min(shared, theirs.size() - 1) >= cached) return;
  }
  wrong(fmt::format("request {} was given {} cached tokens that nobody of its tenant had",
                    request.id.value, cached));
}

bool World::all_ended() const {
  const bool clients_done = std::all_of(clients_.begin(), clients_.end(),
                                        [](const auto& entry) { return entry.second.ended; });
  return clients_done && gateway_->state().live() == 0;
}

// ---- faults ------------------------------------------------------------------------------------

void World::plan_faults() {
  Faults& faults = network.faults;
  const auto some = [this](double most) {
    return random.chance(0.5) ? 0.0 : most * static_cast<double>(random.below(100)) / 100;
  };
  faults.lose = some(0.02);
  faults.repeat = some(0.1);
  faults.break_link = some(0.01);
  faults.silence_link = some(0.002);
  faults.frame_lose = some(0.1);
  faults.frame_repeat = some(0.2);
  faults.frame_corrupt = some(0.3);
  faults.frames_drop = some(0.05);
  faults.store_fail = some(0.1);
  faults.store_hang = some(0.1);
  faults.store_lose = some(0.05);
  faults.slow = random.chance(0.3);
  const uint64_t misfortunes = random.below(8);
  for (uint64_t i = 0; i < misfortunes; ++i)
    time.after(network.delay(100ms, busy_), [this] { misfortune(); });
}

// A process dies, or is stopped for a while, or is asked to end.
void World::misfortune() {
  const std::string name = kMortals[random.below(kMortals.size())];
  const uint64_t kind = random.below(6);
  PrefillNode* const prefill = this->prefill(name);
  DecodeNode* const decode = this->decode(name);
  if (kind == 0 && prefill) return prefill->feed(prefill::Drain{});
  if (kind == 0 && decode) return decode->feed(decode::Drain{});
  if (kind == 1) {
    Node* const node = prefill  ? static_cast<Node*>(prefill)
                       : decode ? static_cast<Node*>(decode)
                                : static_cast<Node*>(scheduler_.get());
    if (node) node->life()->frozen_until = time.now() + network.delay(10ms, 8s);
    return;
  }
  ++outcome_.crashes;
  replace(name, network.delay(1ms, 4s));
}

void World::replace(std::string name, Duration pause) {
  const auto kill = [&](auto& node) {
    if (!node || node->peer().name != name) return;
    node->life()->alive = false;
    network.died(node->life());
    node.reset();
    time.after(pause, [this, name] { start(name); });
  };
  kill(scheduler_);
  for (auto& node : prefills_) kill(node);
  for (auto& node : decodes_) kill(node);
}

void World::start(const std::string& name) {
  const uint64_t incarnation = 100 + ++lives_;
  if (name == "scheduler") {
    scheduler_ = std::make_unique<SchedulerNode>(*this, name, incarnation);
    return;
  }
  const size_t slot = name.ends_with("0") ? 0 : 1;
  if (name.starts_with("prefill")) {
    prefills_[slot] = std::make_unique<PrefillNode>(*this, name, incarnation);
    prefills_[slot]->scheduler().connect();
    prefills_[slot]->feed(prefill::Tick{});
  } else {
    decodes_[slot] = std::make_unique<DecodeNode>(*this, name, incarnation);
    decodes_[slot]->scheduler().connect();
    decodes_[slot]->feed(decode::Tick{});
  }
}

// ---- the end -----------------------------------------------------------------------------------

// The scheduler knows what the instance keeps.
void World::check_view(const Peer& peer, const kvcache::PrefixCache& cache) {
  if (!cache.enabled()) return;
  const auto& prefixes = scheduler_->state().prefixes();
  const auto& index = cache.index();
  for (const uint64_t name : index.short_names(index.size()))
    if (prefixes.held(peer.incarnation, std::span(&name, 1)) == 0 ||
        prefixes.size(peer.incarnation) != index.size())
      return wrong(fmt::format("the scheduler knows {} prefixes of {}, which keeps {}",
                               prefixes.size(peer.incarnation), peer.name, index.size()));
}

void World::check_settled() {
  const auto left = [this](const std::string& where, const char* what, uint64_t count) {
    if (count > 0) wrong(fmt::format("{} has {} {} left over", where, count, what));
  };
  for (const auto& node : prefills_) {
    if (!node) continue;
    left(node->peer().name, "jobs", node->state().jobs());
    const PageCounts& pages = node->state().pool().counts();
    left(node->peer().name, "pages", pages.total - pages.free - pages.cached);
  }
  for (const auto& node : decodes_) {
    if (!node) continue;
    left(node->peer().name, "requests", node->state().live());
    left(node->peer().name, "sessions", node->receiver().open_sessions());
    const PageCounts& pages = node->state().pool().counts();
    left(node->peer().name, "pages", pages.total - pages.free - pages.cached);
    outcome_.pages_kept += node->state().counts().pages_kept;
    outcome_.salvaged += node->state().salvaged_pages();
    outcome_.went_on += node->state().counts().went_on;
  }
  if (!scheduler_) return wrong("the scheduler has not come back");
  for (const auto& [incarnation, instance] : scheduler_->state().registry().instances()) {
    const auto charged = scheduler_->state().charges().charged(incarnation);
    left(instance.peer.name, "requests charged", charged.requests);
  }
  for (const auto& node : prefills_)
    if (node) check_view(node->peer(), node->state().cache());
  for (const auto& node : decodes_)
    if (node) check_view(node->peer(), node->state().cache());
  if (scheduler_->state().registry().instances().size() != 4)
    wrong(fmt::format("the scheduler knows {} instances of 4",
                      scheduler_->state().registry().instances().size()));
  if (scheduler_->state().charges().placements() > 0)
    left("the scheduler", "placements", scheduler_->state().charges().placements());
}

}  // namespace baton::simulation
