// The decode and gateway nodes of nodes.h.
#include "base/hash/crc32c.h"
#include "decode/invariants.h"
#include "kvcache/landing.h"
#include "server/relay/invariants.h"
#include "tests/simulation/fake_model.h"
#include "tests/simulation/nodes.h"
#include "tests/simulation/world.h"

namespace baton::simulation {
namespace {

decode::DecodeSetup decode_setup(World& world, const std::string& name, uint64_t incarnation) {
  decode::DecodeSetup setup;
  setup.self = Incarnation{incarnation};
  setup.pages = world.pages;
  setup.format = kFormat;
  setup.model = {kVocabulary, 4096, {kEndToken}};
  setup.sessions.lease = 4s;
  setup.sessions.tombstone = 30s;
  setup.frame_address = name;
  setup.manifest = fake_manifest();
  setup.cache_secret = "secret";
  setup.prefix_caching = world.random.chance(0.9);
  setup.limits.local_prefill_tokens = static_cast<uint32_t>(world.random.below(2)) * 40;
  setup.limits.requests_max = 16;
  setup.limits.sequences_max = 4 + static_cast<uint32_t>(world.random.below(8));
  setup.limits.fill_rows_min = 1 + static_cast<uint32_t>(world.random.below(16));
  setup.limits.fill_rows_max = setup.limits.fill_rows_min + 16;
  setup.limits.rows_max = setup.limits.sequences_max + setup.limits.fill_rows_min +
                          static_cast<uint32_t>(world.random.below(64));
  setup.limits.growth_tokens = 4 << world.random.below(7);
  setup.limits.draft_tokens = static_cast<uint32_t>(world.random.below(4));
  setup.limits.resend_after = 100ms;
  setup.limits.drain_max = 2s;
  return setup;
}

server::GatewayLimits gateway_limits() {
  server::GatewayLimits limits;
  limits.requests_max = 64;
  limits.silence_max = 3s;
  return limits;
}

}  // namespace

// ---- decode ------------------------------------------------------------------------------------

DecodeNode::DecodeNode(World& world, std::string name, uint64_t incarnation)
    : Node(world, name, incarnation),
      memory_(*kvcache::PoolMemory::create_private(kFormat, world.pages)),
      state_(decode_setup(world, name, incarnation), world.tokenizer,
             [&world] { return world.random.next(); }),
      scheduler_(world, *this) {
  scheduler_.on_message = [this](const FromScheduler& message) {
    const auto* seen = std::get_if<HeartbeatSeen>(&message);
    if (seen && seen->fenced) soon(1us, [this] { world_.fenced(peer_.name); });
    if (seen && !seen->fenced) feed(decode::SchedulerSaw{seen->prefixes_seen});
  };
}

void DecodeNode::accept(LinkPtr link, LinkId id, std::function<void(FromDecode)> to_gateway) {
  gateways_[id] = {std::move(link), std::move(to_gateway)};
}

void DecodeNode::feed(const decode::Event& event) {
  if (const auto* down = std::get_if<decode::GatewayDown>(&event)) gateways_.erase(down->link);
  if (const auto* down = std::get_if<decode::PrefillDown>(&event)) prefills_.erase(down->prefill);
  if (world_.sabotage == Sabotage::believe_frames)
    if (const auto* said = std::get_if<decode::PrefillSaid>(&event))
      if (const auto* seal = std::get_if<Seal>(&said->message)) sealed_[seal->job] = seal->pages;
  for (const decode::Action& action : state_.step(event, world_.time.now()))
    std::visit([this](const auto& a) { act(a); }, action);
  stepped(decode::broken_invariant(state_), state_.next_deadline());
}

void DecodeNode::land(const kvcache::FrameHeader& header, const std::vector<std::byte>& bytes) {
  kvcache::FrameHeader believed = header;
  if (world_.sabotage == Sabotage::believe_frames) believed.crc32c = crc32c(bytes);
  const auto landing =
      kvcache::land(state_.receiver(), memory_, believed, bytes, world_.time.now());
  if (landing.verdict == kvcache::FrameVerdict::admitted) {
    feed(decode::FrameLanded{header.session});
  } else if (landing.verdict == kvcache::FrameVerdict::corrupt) {
    world_.corrupt_frame_seen();
  }
}

void DecodeNode::act(const decode::TellGateway& action) {
  const auto gateway = gateways_.find(action.link);
  if (gateway == gateways_.end()) return;
  FromDecode message = action.message;
  if (auto* progress = std::get_if<Progress>(&message); progress && !progress->tokens.empty()) {
    const TokenEvent last = progress->tokens.back();
    if (world_.sabotage == Sabotage::repeat_token && last.index == 3) {
      progress->tokens.push_back(last);
      ++progress->tokens.back().index;
    }
    if (world_.sabotage == Sabotage::drop_token && last.index >= 3)
      for (TokenEvent& event : progress->tokens) --event.index;
  }
  world_.network.send(gateway->second.link, 0,
                      [receive = gateway->second.receive, message] { receive(message); });
}

LinkPtr DecodeNode::link_to(const Peer& prefill) {
  const Incarnation life = prefill.incarnation;
  if (const auto found = prefills_.find(life); found != prefills_.end()) return found->second.first;
  PrefillNode* there = world_.prefill(prefill.address);
  if (!there) {
    soon(world_.network.delay(), [this, life] { feed(decode::PrefillDown{life}); });
    return nullptr;
  }
  const LinkId id{world_.random.next()};
  LinkPtr link = world_.network.connect(
      life_, [this, life] { feed(decode::PrefillDown{life}); }, there->life(),
      [there, id] { there->feed(prefill::DecodeDown{id}); });
  there->accept(link, id);
  prefills_[life] = {link, id};
  return link;
}

void DecodeNode::act(const decode::TellPrefill& action) {
  const LinkPtr link = link_to(action.prefill);
  if (!link) return;
  const LinkId id = prefills_.at(action.prefill.incarnation).second;
  PrefillNode* there = world_.prefill(action.prefill.address);
  if (!there || there->life() != link->ends[1].life) return;
  world_.network.send(link, 1, [there, id, message = action.message] {
    there->feed(prefill::DecodeSaid{id, message});
  });
}

// As if the pages were what prefill says of them.
void DecodeNode::believe(const decode::DigestPages& action, std::vector<Digest>& digests) {
  const auto* pages = state_.receiver().pages(action.job);
  for (size_t i = 0; pages != nullptr && i < pages->size(); ++i)
    for (size_t j = 0; j < action.pages.size() && i < sealed_[action.job].size(); ++j)
      if ((*pages)[i].page == action.pages[j]) digests[j] = sealed_[action.job][i];
}

void DecodeNode::act(const decode::DigestPages& action) {
  soon(world_.network.delay(10us, 3ms), [this, action] {
    auto digests = kvcache::page_digests(memory_, action.pages, action.tokens);
    if (world_.sabotage == Sabotage::believe_frames) believe(action, digests);
    feed(decode::Digested{action.job, std::move(digests)});
  });
  if (world_.sabotage != Sabotage::stale_pages) return;
  soon(50ms, [this, page = action.pages.front()] { memory_.entry(page, 0, 0)[0] ^= std::byte(1); });
}

void DecodeNode::act(const decode::CopyPage& action) {
  for (uint32_t layer = 0; layer < kFormat.layers; ++layer) {
    const auto from = memory_.block(action.from, layer);
    std::copy(from.begin(), from.end(), memory_.block(action.to, layer).begin());
  }
}

// The rows are run when the step ends, so that a page given away too early would show.
void DecodeNode::act(const decode::Compute& action) {
  if (world_.sabotage == Sabotage::lose_step && action.step.value == 20) return;
  soon(world_.network.delay(300us, 12ms), [this, action] {
    decode::StepDone done{action.step, {}};
    for (const model::SequenceRows& rows : action.sequences)
      done.results.push_back(run_rows(rows, memory_));
    feed(done);
  });
}

void DecodeNode::act(const decode::CompileForm& action) {
  soon(world_.network.delay(100us, 50ms), [this, key = action.key] {
    auto language = constraint::Language::compile(key.first, key.second, world_.vocabulary);
    check(language.has_value(), "a form of the simulation compiles");
    feed(decode::FormCompiled{key, std::shared_ptr<constraint::Language>(std::move(*language))});
  });
}

void DecodeNode::act(const decode::Beat& action) {
  scheduler_.send(Heartbeat{peer_, Role::decode, fake_manifest(), action.load, action.draining,
                            action.accepted, std::nullopt, action.prefixes});
}

void DecodeNode::act(const decode::Drained&) {
  soon(1us, [this] { world_.drained(peer_.name); });
}

// ---- gateway -----------------------------------------------------------------------------------

GatewayNode::GatewayNode(World& world)
    : Node(world, "gateway", 1), state_(gateway_limits()), scheduler_(world, *this) {
  scheduler_.on_message = [this](const FromScheduler& message) {
    feed(server::SchedulerSaid{message});
  };
  scheduler_.on_up = [this] { feed(server::SchedulerUp{}); };
  scheduler_.on_down = [this] { feed(server::SchedulerDown{}); };
  soon(1ms, [this] { scheduler_.connect(); });
}

void GatewayNode::feed(const server::Event& event) {
  if (const auto* down = std::get_if<server::DecodeDown>(&event)) decodes_.erase(down->decode);
  for (const server::Action& action : state_.step(event, world_.time.now()))
    std::visit([this](const auto& a) { act(a); }, action);
  stepped(server::broken_invariant(state_), state_.next_deadline());
}

void GatewayNode::act(const server::TellScheduler& action) { scheduler_.send(action.message); }

void GatewayNode::act(const server::TellDecode& action) {
  const Peer& peer = action.decode;
  const Incarnation life = peer.incarnation;
  DecodeNode* there = world_.decode(peer.address);
  if (!decodes_.contains(life)) {
    if (!there) {
      soon(world_.network.delay(), [this, life] { feed(server::DecodeDown{life}); });
      return;
    }
    const LinkId id{world_.random.next()};
    LinkPtr link = world_.network.connect(
        life_, [this, life] { feed(server::DecodeDown{life}); }, there->life(),
        [there, id] { there->feed(decode::GatewayDown{id}); });
    there->accept(link, id, [this, peer](const FromDecode& message) {
      feed(server::DecodeSaid{peer, message});
    });
    decodes_[life] = {link, id};
  }
  const auto& [link, id] = decodes_.at(life);
  if (!there || there->life() != link->ends[1].life) return;
  world_.network.send(link, 1, [there, id = id, message = action.message] {
    there->feed(decode::GatewaySaid{id, message});
  });
}

void GatewayNode::act(const server::Deliver& action) {
  if (action.scores) world_.scored(action.request, *action.scores);
  world_.delivered(action.request, action.tokens);
}

void GatewayNode::act(const server::Finished& action) {
  world_.ended(action.request, true, &action.timeline);
}

void GatewayNode::act(const server::Failed& action) {
  world_.ended(action.request, false, nullptr);
}

}  // namespace baton::simulation
