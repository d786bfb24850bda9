#include "tests/simulation/nodes.h"

#include "base/hash/crc32c.h"
#include "prefill/invariants.h"
#include "scheduler/invariants.h"
#include "tests/simulation/fake_model.h"
#include "tests/simulation/world.h"

namespace baton::simulation {
namespace {

scheduler::SchedulerLimits scheduler_limits() {
  scheduler::SchedulerLimits limits;
  limits.charges.charge_max = 5s;
  limits.placement.growth_tokens = 8;
  limits.charges.record_max = 60s;
  return limits;
}

}  // namespace

Node::Node(World& world, std::string name, uint64_t incarnation)
    : world_(world), peer_{name, Incarnation{incarnation}, name} {}

void Node::soon(Duration delay, std::function<void()> what) {
  world_.time.after(delay, [&network = world_.network, life = life_, what = std::move(what)] {
    network.run_in(life, what);
  });
}

void Node::stepped(std::optional<std::string> broken, std::optional<Instant> deadline) {
  if (broken) world_.wrong(peer_.name + ": " + *broken);
  if (!deadline || *deadline == Instant::max() || (timer_ && *timer_ <= *deadline)) return;
  const Instant when = std::max(*deadline, world_.time.now());
  timer_ = when;
  world_.time.at(when, [this, &network = world_.network, life = life_, when] {
    network.run_in(life, [this, when] {
      if (timer_ != when) return;
      timer_.reset();
      ticks_at_once_ = last_tick_ == world_.time.now() ? ticks_at_once_ + 1 : 0;
      last_tick_ = world_.time.now();
      if (ticks_at_once_ > 100) {
        timer_ = Instant{};  // stays silent: the world ends here anyway
        return world_.wrong(peer_.name + " asks to be woken at once, again and again");
      }
      tick();
    });
  });
}

// ---- scheduler ---------------------------------------------------------------------------------

SchedulerNode::SchedulerNode(World& world, std::string name, uint64_t incarnation)
    : Node(world, std::move(name), incarnation), state_(scheduler_limits()) {}

LinkId SchedulerNode::accept(LinkPtr link, std::function<void(FromScheduler)> to_client) {
  const LinkId id{++links_};
  clients_[id] = {std::move(link), std::move(to_client)};
  return id;
}

void SchedulerNode::feed(const scheduler::Event& event) {
  for (const scheduler::Action& action : state_.step(event, world_.time.now())) {
    const auto* sent = std::get_if<scheduler::Send>(&action);
    if (!sent) continue;  // an alarm is for people
    const scheduler::Send& send = *sent;
    const auto client = clients_.find(send.to);
    if (client == clients_.end()) continue;
    world_.network.send(
        client->second.link, 0,
        [receive = client->second.receive, message = send.message] { receive(message); });
  }
  if (const auto* down = std::get_if<scheduler::LinkDown>(&event)) clients_.erase(down->link);
  stepped(scheduler::broken_invariant(state_), state_.next_deadline());
}

void SchedulerLink::connect() {
  SchedulerNode* scheduler = world_.scheduler();
  const auto again = [this] {
    link_.reset();
    if (on_down) on_down();
    world_.time.after(50ms, [&world = world_, life = owner_.life(), this] {
      world.network.run_in(life, [this] { connect(); });
    });
  };
  if (!scheduler) {  // nobody listens there
    world_.time.after(10ms, [&world = world_, life = owner_.life(), again] {
      world.network.run_in(life, again);
    });
    return;
  }
  const auto id = std::make_shared<LinkId>();
  link_ = world_.network.connect(owner_.life(), again, scheduler->life(),
                                 [scheduler, id] { scheduler->feed(scheduler::LinkDown{*id}); });
  *id = there_ = scheduler->accept(link_, on_message);
  if (on_up) on_up();
}

void SchedulerLink::send(const ToScheduler& message) {
  if (!link_) return;
  SchedulerNode* scheduler = world_.scheduler();
  if (!scheduler || scheduler->life() != link_->ends[1].life) return;
  world_.network.send(link_, 1, [scheduler, from = there_, message] {
    scheduler->feed(scheduler::Received{from, message});
  });
}

// ---- prefill -----------------------------------------------------------------------------------

namespace {

prefill::PrefillSetup prefill_setup(World& world, uint64_t incarnation) {
  prefill::PrefillSetup setup;
  setup.self = Incarnation{incarnation};
  setup.pages = world.pages;
  setup.format = kFormat;
  setup.manifest = fake_manifest();
  setup.cache_secret = "secret";
  setup.prefix_caching = world.random.chance(0.9);
  setup.limits.keep_pages_max = 1 + world.random.below(20);
  if (world.sabotage == Sabotage::spoilt_store) setup.prefix_caching = true;
  setup.vocab_size = kVocabulary;
  setup.context_max = 4096;
  setup.limits.found_frames = 1 + world.random.below(20);
  setup.limits.window_jobs = 1 + static_cast<uint32_t>(world.random.below(4));
  setup.limits.chunk_tokens = 16 << world.random.below(5);
  setup.limits.jobs_max = 24;
  setup.limits.drain_max = 3s;
  setup.limits.commit_max = 8s;
  return setup;
}

}  // namespace

PrefillNode::PrefillNode(World& world, std::string name, uint64_t incarnation)
    : Node(world, std::move(name), incarnation),
      memory_(*kvcache::PoolMemory::create_private(kFormat, world.pages)),
      state_(prefill_setup(world, incarnation)),
      scheduler_(world, *this) {
  scheduler_.on_message = [this](const FromScheduler& message) {
    const auto* seen = std::get_if<HeartbeatSeen>(&message);
    if (seen && seen->fenced) soon(1us, [this] { world_.fenced(peer_.name); });
    if (seen && !seen->fenced) feed(prefill::SchedulerSaw{seen->prefixes_seen});
  };
  const bool kvstore = world.random.chance(0.7) || world.sabotage == Sabotage::spoilt_store;
  if (kvstore) soon(world.network.delay(), [this] { feed(prefill::StoresKnown{1}); });
}

void PrefillNode::feed(const prefill::Event& event) {
  if (const auto* down = std::get_if<prefill::DecodeDown>(&event)) links_.erase(down->link);
  for (const prefill::Action& action : state_.step(event, world_.time.now()))
    std::visit([this](const auto& a) { act(a); }, action);
  stepped(prefill::broken_invariant(state_), state_.next_deadline());
}

void PrefillNode::act(const prefill::TellDecode& action) {
  const auto link = links_.find(action.link);
  if (link == links_.end()) return;
  const LifePtr& there = link->second->ends[0].life;
  for (const char* name : {"decode-0", "decode-1"}) {
    DecodeNode* decode = world_.decode(name);
    if (!decode || decode->life() != there) continue;
    world_.network.send(link->second, 0, [decode, peer = peer_, message = action.message] {
      decode->feed(decode::PrefillSaid{peer, message});
    });
  }
}

// Layer by layer, each when its time has come; the step ends with the last.
void PrefillNode::act(const prefill::Compute& action) {
  soon(world_.network.delay(200us, 8ms), [this, action] { layer(action, 0); });
}

void PrefillNode::layer(const prefill::Compute& step, uint32_t layer) {
  for (const model::SequenceRows& rows : step.sequences) fill_layer(rows, memory_, layer);
  feed(prefill::LayerDone{step.step, layer});
  if (layer + 1 == kFormat.layers) {
    prefill::StepDone done{step.step, {}};
    for (const model::SequenceRows& rows : step.sequences)
      done.results.push_back({{}, {}, {}, score_rows(rows, memory_)});
    soon(1us, [this, done = std::move(done)] { feed(done); });
    return;
  }
  soon(world_.network.delay(200us, 8ms), [this, step, layer] { this->layer(step, layer + 1); });
}

void PrefillNode::act(const prefill::PostFrames& action) {
  const SessionId session = action.frames.front().header.session;
  if (!world_.decode(action.frame_address) ||
      world_.random.chance(world_.network.faults.frames_drop)) {
    soon(world_.network.delay(), [this, session] {
      posted_.erase(session);
      feed(prefill::FramesDropped{session});
    });
    return;
  }
  posted_[session] += action.frames.size();
  for (const kvcache::OutgoingFrame& frame : action.frames)
    soon(world_.network.delay(10us, 2ms),
         [this, address = action.frame_address, frame] { write_frame(address, frame); });
}

void PrefillNode::write_frame(const std::string& address, const kvcache::OutgoingFrame& frame) {
  const auto waiting = posted_.find(frame.header.session);
  if (waiting == posted_.end()) return;  // forgotten
  kvcache::FrameHeader header = frame.header;
  const auto block = memory_.block(frame.page, header.layer).first(header.length);
  std::vector<std::byte> bytes(block.begin(), block.end());
  header.crc32c = crc32c(bytes);
  Faults& faults = world_.network.faults;
  SeededRandom& random = world_.random;
  if (random.chance(faults.frame_corrupt)) {
    switch (random.below(5)) {
      case 0:
        ++header.epoch.value;
        break;
      case 1:
        header.session.low ^= 1u << random.below(32);
        break;
      case 2:
        header.page += 1;
        break;
      default:
        bytes[random.below(bytes.size())] ^= std::byte(1 << random.below(8));
        break;
    }
  }
  if (!random.chance(faults.frame_lose)) {
    const int times = random.chance(faults.frame_repeat) ? 2 : 1;
    for (int i = 0; i < times; ++i)
      world_.time.after(world_.network.delay(), [&world = world_, address, header, bytes] {
        DecodeNode* decode = world.decode(address);
        if (!decode) return;
        world.network.run_in(decode->life(),
                             [decode, header, bytes] { decode->land(header, bytes); });
      });
  }
  if (--waiting->second > 0) return;
  posted_.erase(waiting);
  feed(prefill::FramesWritten{frame.header.session});
}

void PrefillNode::act(const prefill::CopyPage& action) {
  kvcache::copy_page(memory_, action.from, action.to, action.tokens);
}

void PrefillNode::act(const prefill::DigestPages& action) {
  if (world_.sabotage == Sabotage::spoilt_prefix)
    soon(100ms,
         [this, page = action.pages.front()] { memory_.entry(page, 0, 0)[0] ^= std::byte(1); });
  soon(world_.network.delay(10us, 3ms), [this, action] {
    feed(
        prefill::Digested{action.job, kvcache::page_digests(memory_, action.pages, action.tokens)});
  });
}

void PrefillNode::act(const prefill::LookUpPages& action) {
  const Faults& faults = world_.network.faults;
  if (world_.random.chance(faults.store_hang)) return;
  const bool fails = world_.random.chance(faults.store_fail);
  soon(world_.network.delay(50us, 5ms), [this, action, fails] {
    const auto& names = action.pages.names;
    uint32_t pages = 0;
    while (pages < names.size() && world_.kvstore.contains(names[pages])) ++pages;
    feed(prefill::StoreHeld{action.order, fails ? std::nullopt : std::optional(pages)});
  });
}

void PrefillNode::act(const prefill::ReadPages& action) {
  reads_.insert(action.order.serial);
  read_page(action, 0);
}

void PrefillNode::read_page(const prefill::ReadPages& order, size_t at) {
  const Faults& faults = world_.network.faults;
  if (world_.random.chance(faults.store_hang)) return;
  if (world_.random.chance(faults.store_lose)) world_.kvstore.erase(order.pages.names[at]);
  soon(world_.network.delay(50us, 3ms), [this, order, at] {
    if (!reads_.contains(order.order.serial)) return;
    const auto found = world_.kvstore.find(order.pages.names[at]);
    if (found == world_.kvstore.end()) {
      reads_.erase(order.order.serial);
      return feed(prefill::StoreReadEnded{order.order});
    }
    std::ranges::copy(found->second, memory_.page(order.into[at]).begin());
    if (world_.sabotage == Sabotage::spoilt_store)
      memory_.entry(order.into[at], 0, 0)[0] ^= std::byte(1);
    feed(prefill::StorePageCame{order.order});
    if (at + 1 < order.pages.names.size()) return read_page(order, at + 1);
    feed(prefill::StoreReadEnded{order.order});
  });
}

// The bytes are taken when they are written: nothing may have changed them until then.
void PrefillNode::act(const prefill::KeepPages& action) {
  const bool fails = world_.random.chance(world_.network.faults.store_fail);
  soon(world_.network.delay(100us, 10ms), [this, action, fails] {
    for (const kvcache::KeptPage& kept : action.pages) {
      const auto bytes = std::as_const(memory_).page(kept.page);
      if (!fails) world_.kvstore[kept.name].assign(bytes.begin(), bytes.end());
    }
    feed(prefill::PagesKept{fails ? 0 : static_cast<uint32_t>(action.pages.size())});
  });
}

void PrefillNode::act(const prefill::Beat& action) {
  scheduler_.send(Heartbeat{peer_, Role::prefill, fake_manifest(), action.load, action.draining,
                            action.accepted, std::nullopt, action.prefixes});
}

void PrefillNode::act(const prefill::Drained&) {
  soon(1us, [this] { world_.drained(peer_.name); });
}

}  // namespace baton::simulation
