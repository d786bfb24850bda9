// GenerateRoute: every endpoint that generates, from body to last byte.
//
// Each request is a session: prepared (what may take long: on the work queue), submitted (one
// cluster request for each prompt), answered whole or as a stream. The status line of a stream
// goes out with the first token, so that a full cluster can still be a 429, or after a while
// without one, so that clients keep waiting; a whole answer that takes long begins with empty
// lines, for the same reason. A client that leaves cancels. Thread: the I/O thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/clock.h"
#include "server/api/prompt/prepare.h"
#include "server/engine.h"
#include "server/http/exchange.h"
#include "server/routes/serving_metrics.h"
#include "server/routes/work_queue.h"

namespace baton::server {

struct GenerateLimits {
  api::ApiLimits api;
  // Larger bodies are prepared on the work queue, and those with a form to compile.
  size_t inline_body_bytes_max = 16 * 1024;
  Duration quiet_start_max = 15s;       // then a stream begins without a token
  Duration quiet_whole_max = 120s;      // and a whole answer with an empty line
  size_t item_memory_bytes = 16 << 20;  // of responses that may be referred to
};

struct GenerateContext {
  boost::asio::any_io_executor executor;
  const api::TextModel& model;
  Engine& engine;
  const Clock& clock;
  WorkQueue& work;
  ServingMetrics& metrics;
  std::function<uint64_t()> draw;  // chance: seeds and ids
  GenerateLimits limits;
};

class GenerateSession;

class GenerateRoute {
 public:
  explicit GenerateRoute(GenerateContext context);
  ~GenerateRoute();

  // `tenant`: who asks (ApiKeys).
  void handle(api::Dialect dialect, std::string tenant, http::Request request,
              std::unique_ptr<http::Exchange> exchange);
  size_t sessions() const { return sessions_.size(); }

 private:
  friend class GenerateSession;
  GenerateContext context_;
  const std::shared_ptr<api::ItemMemory> memory_;
  std::string out_;  // what a token becomes; used within one call only
  std::unordered_map<const GenerateSession*, std::shared_ptr<GenerateSession>> sessions_;
};

}  // namespace baton::server
