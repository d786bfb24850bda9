// Member: a worker's place in the cluster: its heartbeats, over a link that is made anew when lost.
//
// While the scheduler is away heartbeats go nowhere and nothing else stops: running requests don't
// notice. A scheduler that answers "fenced" knows a newer life of this name: this one must end,
// and is told so once. Orders of the scheduler are passed on.
// Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/observe/log.h"
#include "proto/link.h"

namespace baton::scheduler {

struct Identity {
  Peer peer;
  Role role = Role::decode;
  Manifest manifest;
};

struct MemberEvents {
  std::function<void()> on_fenced;
  std::function<void()> on_rebalance;  // the experts shall be placed anew
  // A heartbeat has arrived: so far is its log of prefixes known, these kvstores are there. May be
  // empty.
  std::function<void(const HeartbeatSeen&)> on_seen = {};
};

class Member {
 public:
  // `connector` outlives it.
  Member(boost::asio::any_io_executor executor, rpc::Connector& connector,
         std::string scheduler_address, Identity identity, Log log, MemberEvents events);

  // Sends a heartbeat; identity is added.
  void beat(Heartbeat heartbeat);
  const Identity& identity() const { return identity_; }

 private:
  void connect();
  void lost(const Error& error);

  rpc::Connector& connector_;
  std::string scheduler_address_;
  Identity identity_;
  Log log_;
  MemberEvents events_;
  boost::asio::steady_timer retry_;
  std::unique_ptr<rpc::Link<ToScheduler>> link_;
  bool lost_before_ = false;
  bool fenced_ = false;
};

}  // namespace baton::scheduler
