// Engine: what the fronts (HTTP, gRPC) see of the cluster: submit a request, get its tokens.
//
// The gateway is the real body; tests and benchmarks have one that answers at once. For each
// request: scores of its prompt, if it wants them, then tokens (each the next of its choice), any
// number of times each, then finished or failed, once.
// Nothing is called from inside submit(), and nothing after the Generation was destroyed, which
// cancels what still runs. Thread: the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "proto/cluster.h"
#include "proto/request.h"
#include "server/api/error.h"
#include "server/relay/timeline.h"

namespace baton::server {

struct GenerationEvents {
  std::function<void(const PromptScoreRun&)> on_scores;  // may be empty
  std::function<void(std::span<const TokenEvent>)> on_tokens;
  std::function<void(const Timeline&)> on_finished;
  std::function<void(const api::ApiError&)> on_failed;
};

// The handle of a running request; destroying it cancels.
class Generation {
 public:
  virtual ~Generation() = default;
};

// Whether requests can be served, with the reason if not.
struct Readiness {
  bool ready = false;
  std::string code;    // "starting", "no_capacity", "draining"
  std::string reason;  // one sentence
};

class Engine {
 public:
  virtual ~Engine() = default;
  // request.id is drawn by the engine; sampling.seed must be set.
  virtual std::unique_ptr<Generation> submit(RequestState request, GenerationEvents events) = 0;
  virtual Readiness readiness() const = 0;
  virtual const ClusterView& cluster() const = 0;  // as last heard from the scheduler
  // The experts of this instance shall be placed anew, by the load it has seen.
  virtual void rebalance(Incarnation instance) = 0;
};

}  // namespace baton::server
