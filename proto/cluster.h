// How instances, the scheduler and gateways know of each other. Thread safety: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/observe/metrics.h"
#include "proto/ids.h"

namespace baton {

enum class Role : uint8_t { prefill, decode, kvstore };
const char* to_string(Role role);

// What two instances must agree on before they may be paired. Compared field by field; `mismatch`
// names the first field that differs.
struct Manifest {
  static constexpr uint32_t kWireVersion = 2;
  std::string model_fingerprint;   // hex SHA-256
  std::string numeric_mode;        // "exact"
  uint32_t numeric_revision = 1;   // grows when a kernel's bytes change
  uint32_t cache_layers = 0;       // the MTP layer included
  uint32_t cache_entry_bytes = 0;  // one token of one layer
  uint32_t page_tokens = kPageTokens;
  uint32_t wire_version = kWireVersion;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

std::optional<std::string> mismatch(const Manifest& a, const Manifest& b);

// Pages by state; free + reserved + filling + in_use + cached = total, always.
struct PageCounts {
  uint32_t total = 0;
  uint32_t free = 0;
  uint32_t reserved = 0;  // promised to a session, nothing verified yet
  uint32_t filling = 0;   // being written by a session or by a prefill
  uint32_t in_use = 0;    // read by running requests
  uint32_t cached = 0;    // kept for reuse
  friend bool operator==(const PageCounts&, const PageCounts&) = default;
};

struct Load {
  uint32_t running = 0;
  uint32_t waiting = 0;
  uint64_t queued_tokens = 0;  // not yet computed
  uint32_t running_max = 0;    // the limit on running + waiting that admission keeps
  PageCounts pages;
  friend bool operator==(const Load&, const Load&) = default;
};

// What a worker has come to hold of prefixes and what it has lost, by the first 64 bits of its
// pages' names: from one point of its log of changes to another.
struct PrefixChanges {
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t end = 0;    // of its log: beyond `to` there is more to tell
  bool whole = false;  // all that it holds, as far as it can be told at once; `from` says nothing
  std::vector<uint64_t> came, went;  // a name is in one of them at most
  friend bool operator==(const PrefixChanges&, const PrefixChanges&) = default;
};

// What a worker's pool is taken for, beyond its counts.
struct TenantPages {
  std::string tenant;  // empty: requests that name none
  uint32_t pages = 0;  // that its requests hold; a page that two share counts for both
  friend bool operator==(const TenantPages&, const TenantPages&) = default;
};
struct WaitingState {
  std::string what;  // "request 17 waits for pages"
  Duration since{};  // how long it has waited,
  Duration left{};   // and how long until its deadline
  friend bool operator==(const WaitingState&, const WaitingState&) = default;
};
struct PoolReport {
  uint32_t in_flight = 0;              // pages that open hand-offs read or write
  uint32_t pinned = 0;                 // pages that are kept whether anybody needs them or not
  std::vector<TenantPages> tenants;    // who holds most first
  std::optional<WaitingState> oldest;  // of all that waits for somebody
  friend bool operator==(const PoolReport&, const PoolReport&) = default;
};

// worker -> scheduler, every heartbeat interval and at once when something changes.
struct Heartbeat {
  Peer peer;
  Role role = Role::decode;
  Manifest manifest;  // of a kvstore: nothing, it keeps pages of any
  Load load;
  bool draining = false;
  std::vector<std::pair<RequestId, Attempt>> accepted;  // placements that the load now includes
  std::optional<MetricsSnapshot> metrics;               // every few beats
  std::optional<PrefixChanges> prefixes;                // of a worker that keeps any
  std::optional<PoolReport> pool;                       // every few beats
};

// gateway -> scheduler
struct Place {
  RequestId request;
  Attempt attempt;
  uint32_t prompt_tokens = 0;
  uint32_t max_new_tokens = 0;  // over all choices, known ones not counted
  uint32_t known_tokens = 0;
  int32_t priority = 0;
  std::vector<Incarnation> avoid;  // given up for this request before
  std::vector<uint64_t> prefix;    // 64 bits of the names of its full pages; empty: not told
  friend bool operator==(const Place&, const Place&) = default;
};
struct Forget {  // the request has ended or is placed anew: its charge is lifted
  RequestId request;
  Attempt attempt;
  friend bool operator==(const Forget&, const Forget&) = default;
};
struct WatchCluster {  // asks for ClusterView now and whenever it changes
  friend bool operator==(const WatchCluster&, const WatchCluster&) = default;
};
struct Rebalance {  // its experts shall be placed anew, by the load it has seen
  Incarnation instance;
  friend bool operator==(const Rebalance&, const Rebalance&) = default;
};

// scheduler -> gateway
struct Placed {
  RequestId request;
  Attempt attempt;
  Peer decode;
  std::optional<Peer> prefill;  // none: decode prefills itself
  bool degraded = false;        // no prefill instance is alive
  std::string reason;           // one sentence, for explain and logs
  friend bool operator==(const Placed&, const Placed&) = default;
};
struct NotPlaced {
  RequestId request;
  Attempt attempt;
  bool full = false;  // full: 429 and try later; else nothing can serve it now: 503
  Duration retry_after{};
  std::string reason;
  friend bool operator==(const NotPlaced&, const NotPlaced&) = default;
};
struct InstanceView {
  Peer peer;
  Role role = Role::decode;
  Manifest manifest;
  Load load;
  bool draining = false;
  bool stale = false;  // heartbeats are late
  MetricsSnapshot metrics;
  uint32_t prefixes = 0;        // pages that it is known to hold for reuse
  bool prefixes_stale = false;  // what is known of them is late or missing
  std::optional<PoolReport> pool;
};
struct ClusterView {
  uint64_t membership = 0;  // grows with every change of who is there
  std::vector<InstanceView> instances;
};

// scheduler -> worker
struct HeartbeatSeen {
  Incarnation incarnation;
  bool fenced = false;         // another life of this name is newer: this one must stop
  uint64_t prefixes_seen = 0;  // how far its log of prefixes is known
  std::vector<Peer> kvstores;  // that are there, for a prefill; their address is that of pages
  friend bool operator==(const HeartbeatSeen&, const HeartbeatSeen&) = default;
};

struct RebalanceNow {
  Incarnation instance;
  friend bool operator==(const RebalanceNow&, const RebalanceNow&) = default;
};

using ToScheduler = std::variant<Heartbeat, Place, Forget, WatchCluster, Rebalance>;
using FromScheduler = std::variant<HeartbeatSeen, Placed, NotPlaced, ClusterView, RebalanceNow>;

}  // namespace baton
