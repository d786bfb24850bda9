// The public gRPC service in domain types: what a handler must answer, and a client of it.
//
// The server parses and validates the form of a call (finite numbers, sizes, enums), not its
// meaning: keys, model names, ranges and lengths are the handler's to judge. Everything here runs
// on the executor it was made with; a sink may be used and destroyed there only. Thread safety:
// none.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "proto/grpc_options.h"
#include "proto/request.h"

namespace baton::rpc {

struct ChatMessage {
  std::string role;
  std::string content;
  friend bool operator==(const ChatMessage&, const ChatMessage&) = default;
};

// Text (special tokens are read as such), token ids, or a conversation (special tokens stay text).
using PromptInput = std::variant<std::string, std::vector<TokenId>, std::vector<ChatMessage>>;

struct GenerateCall {
  std::string model;
  PromptInput prompt;
  uint32_t choices = 1;
  SamplingParams sampling;        // its seed counts only if `seed_given`
  bool seed_given = false;        // else the handler draws one
  StopParams stop;                // its max_tokens counts only if `max_tokens_given`
  bool max_tokens_given = false;  // else the handler's default
  ReportParams report;
  int32_t priority = 0;
  std::string request_id;             // the client's own name for it; may be empty
  std::string api_key;                // of the metadata `authorization: Bearer KEY`; may be empty
  std::optional<Duration> time_left;  // to the call's deadline, when it arrived
  friend bool operator==(const GenerateCall&, const GenerateCall&) = default;
};

struct Usage {
  uint32_t prompt_tokens = 0;
  uint32_t completion_tokens = 0;  // over all choices
  uint32_t cached_tokens = 0;      // prompt tokens that were not computed anew
  friend bool operator==(const Usage&, const Usage&) = default;
};

struct ModelInfo {
  std::string name;
  std::string fingerprint;
  std::string numeric_mode;
  uint32_t context_tokens = 0;  // prompt and answer together
  friend bool operator==(const ModelInfo&, const ModelInfo&) = default;
};

// Where the answer to one call goes. Never blocks: a client that does not read what is sent (past a
// bound) is cancelled. After the end, and after a cancellation, everything is ignored. Destroying a
// sink without an end answers `internal`.
class GenerateSink {
 public:
  virtual ~GenerateSink() = default;
  virtual void send(TokenEvent event) = 0;
  virtual void finish(Result<Usage> result) = 0;
  // An error with a truthful time to try again.
  virtual void refuse(Error error, Duration retry_after) = 0;
  // The client is gone, is too slow, or its deadline has passed: called at most once, never after
  // the end and never from inside a call of this sink. Set it at once.
  virtual void on_cancel(std::function<void()> callback) = 0;
};

class InferenceHandler {
 public:
  virtual ~InferenceHandler() = default;
  // Whether a caller with this key (empty: none) may ask at all. Asked before each of the calls
  // below, which don't see who may not: such a call ends with gRPC's UNAUTHENTICATED.
  virtual bool allows(const std::string& api_key) = 0;
  virtual void generate(GenerateCall call, std::unique_ptr<GenerateSink> sink) = 0;
  virtual std::vector<ModelInfo> models() = 0;
};

// Serves `handler`, which must outlive it, with the standard health service and reflection.
class InferenceServer {
 public:
  virtual ~InferenceServer() = default;        // cancels what still runs
  virtual std::string address() const = 0;     // host:port, the port really bound
  virtual void set_serving(bool serving) = 0;  // what the health service says; true at start
};

Result<std::unique_ptr<InferenceServer>> serve_inference(boost::asio::any_io_executor executor,
                                                         const std::string& host, uint16_t port,
                                                         InferenceHandler& handler,
                                                         const GrpcOptions& options);

// One running call of a client; destroying it cancels the call and silences its events.
class Generation {
 public:
  virtual ~Generation() = default;
  virtual void cancel() = 0;  // on_end then says cancelled
};

struct GenerateEvents {
  std::function<void(TokenEvent)> on_token;
  // Once, last. An error's retry time is in `retry_after`, if the server gave one.
  std::function<void(Result<Usage>, std::optional<Duration> retry_after)> on_end;
};

class InferenceClient {
 public:
  virtual ~InferenceClient() = default;
  virtual std::unique_ptr<Generation> generate(const GenerateCall& call, GenerateEvents events) = 0;
  virtual void models(const std::string& api_key,
                      std::function<void(Result<std::vector<ModelInfo>>)> done) = 0;
};

std::unique_ptr<InferenceClient> inference_client(boost::asio::any_io_executor executor,
                                                  const std::string& address,
                                                  const GrpcOptions& options);

}  // namespace baton::rpc
