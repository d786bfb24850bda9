// The daemons of the simulated cluster: each wraps the real machine and does its actions on virtual
// time, as the real shell does them with sockets and threads. A node is one life of one daemon;
// when it dies it is destroyed, and what was planned for its life doesn't happen. Thread safety:
// one thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "decode/decode_state.h"
#include "kvcache/pool_memory.h"
#include "prefill/prefill_state.h"
#include "scheduler/scheduler_state.h"
#include "server/relay/gateway_state.h"
#include "tests/simulation/network.h"

namespace baton::simulation {

class World;

// What all nodes share: a life, and a timer that wakes the machine when it says so.
class Node {
 public:
  Node(World& world, std::string name, uint64_t incarnation);
  virtual ~Node() { life_->alive = false; }
  const LifePtr& life() const { return life_; }
  const Peer& peer() const { return peer_; }

 protected:
  // Reports a broken invariant, then sees to it that tick() runs at `deadline`.
  void stepped(std::optional<std::string> broken, std::optional<Instant> deadline);
  virtual void tick() = 0;
  void soon(Duration delay, std::function<void()> what);

  World& world_;
  LifePtr life_ = std::make_shared<Life>();
  Peer peer_;

 private:
  std::optional<Instant> timer_;
  Instant last_tick_{};
  uint32_t ticks_at_once_ = 0;
};

class SchedulerNode final : public Node {
 public:
  SchedulerNode(World& world, std::string name, uint64_t incarnation);
  // A worker or a gateway has connected; what arrives for it is given to `to_client`.
  LinkId accept(LinkPtr link, std::function<void(FromScheduler)> to_client);
  void feed(const scheduler::Event& event);
  const scheduler::SchedulerState& state() const { return state_; }

 private:
  void tick() override { feed(scheduler::Tick{}); }
  struct Client {
    LinkPtr link;
    std::function<void(FromScheduler)> receive;
  };
  scheduler::SchedulerState state_;
  std::map<LinkId, Client> clients_;
  uint64_t links_ = 0;
};

// A daemon's link to the scheduler: connected again when it is down.
class SchedulerLink {
 public:
  SchedulerLink(World& world, Node& owner) : world_(world), owner_(owner) {}
  void connect();
  void send(const ToScheduler& message);
  std::function<void(FromScheduler)> on_message;
  std::function<void()> on_up, on_down;

 private:
  World& world_;
  Node& owner_;
  LinkPtr link_;
  LinkId there_;
};

class PrefillNode final : public Node {
 public:
  PrefillNode(World& world, std::string name, uint64_t incarnation);
  void accept(LinkPtr link, LinkId id) { links_[id] = std::move(link); }
  void feed(const prefill::Event& event);
  const prefill::PrefillState& state() const { return state_; }
  SchedulerLink& scheduler() { return scheduler_; }

 private:
  void tick() override { feed(prefill::Tick{}); }
  void act(const prefill::TellDecode& action);
  void act(const prefill::Compute& action);
  void act(const prefill::PostFrames& action);
  void act(const prefill::ForgetFrames& action) { posted_.erase(action.session); }
  void act(const prefill::CopyPage& action);
  void act(const prefill::DigestPages& action);
  void act(const prefill::LookUpPages& action);
  void act(const prefill::ReadPages& action);
  void act(const prefill::ForgetStoreOrder& action) { reads_.erase(action.order.serial); }
  void act(const prefill::KeepPages& action);
  void act(const prefill::Beat& action);
  void act(const prefill::Drained&);
  void read_page(const prefill::ReadPages& order, size_t at);
  void layer(const prefill::Compute& step, uint32_t layer);
  void write_frame(const std::string& address, const kvcache::OutgoingFrame& frame);

  kvcache::PoolMemory memory_;
  prefill::PrefillState state_;
  SchedulerLink scheduler_;
  std::map<LinkId, LinkPtr> links_;
  std::map<SessionId, uint64_t> posted_;  // frames not yet written
  std::set<uint64_t> reads_;              // orders that the kvstore answers
};

class DecodeNode final : public Node {
 public:
  DecodeNode(World& world, std::string name, uint64_t incarnation);
  void accept(LinkPtr link, LinkId id, std::function<void(FromDecode)> to_gateway);
  void feed(const decode::Event& event);
  void land(const kvcache::FrameHeader& header, const std::vector<std::byte>& bytes);
  const decode::DecodeState& state() const { return state_; }
  kvcache::HandoffReceiver& receiver() { return state_.receiver(); }
  SchedulerLink& scheduler() { return scheduler_; }

 private:
  void tick() override { feed(decode::Tick{}); }
  void act(const decode::TellGateway& action);
  void act(const decode::TellPrefill& action);
  void act(const decode::DigestPages& action);
  void believe(const decode::DigestPages& action, std::vector<Digest>& digests);
  void act(const decode::CopyPage& action);
  void act(const decode::Compute& action);
  void act(const decode::CompileForm& action);
  void act(const decode::Beat& action);
  void act(const decode::Drained&);
  LinkPtr link_to(const Peer& prefill);

  struct Gateway {
    LinkPtr link;
    std::function<void(FromDecode)> receive;
  };
  kvcache::PoolMemory memory_;
  decode::DecodeState state_;
  SchedulerLink scheduler_;
  std::map<LinkId, Gateway> gateways_;
  std::map<Incarnation, std::pair<LinkPtr, LinkId>> prefills_;
  std::map<JobId, std::vector<Digest>> sealed_;  // for a world that is sabotaged
};

class GatewayNode final : public Node {
 public:
  explicit GatewayNode(World& world);
  void feed(const server::Event& event);
  const server::GatewayState& state() const { return state_; }

 private:
  void tick() override { feed(server::Tick{}); }
  void act(const server::TellScheduler& action);
  void act(const server::TellDecode& action);
  void act(const server::Deliver& action);
  void act(const server::Finished& action);
  void act(const server::Failed& action);

  server::GatewayState state_;
  SchedulerLink scheduler_;
  std::map<Incarnation, std::pair<LinkPtr, LinkId>> decodes_;
};

}  // namespace baton::simulation
