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

// A call of a tool, as a model made it.
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // JSON
  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

struct ChatMessage {
  std::string role;
  std::string content;
  std::string reasoning;             // of an assistant's earlier turn
  std::vector<ToolCall> tool_calls;  // that an assistant has made
  std::string tool_call_id;          // which of them a tool answers
  friend bool operator==(const ChatMessage&, const ChatMessage&) = default;
};

// Text (special tokens are read as such), token ids, or a conversation (special tokens stay text).
using PromptInput = std::variant<std::string, std::vector<TokenId>, std::vector<ChatMessage>>;

// Which of SamplingParams' fields a client gave; the others are the handler's to choose.
struct SamplingGiven {
  bool temperature = false;
  bool top_p = false;
  bool top_k = false;
  bool min_p = false;
  bool presence_penalty = false;
  bool frequency_penalty = false;
  bool repetition_penalty = false;
  bool seed = false;
  friend bool operator==(const SamplingGiven&, const SamplingGiven&) = default;
};

struct GenerateCall {
  std::string model;
  PromptInput prompt;
  uint32_t choices = 1;
  SamplingParams sampling;  // lists count as they are, the rest only if `given`
  SamplingGiven given;
  StopParams stop;                // its max_tokens counts only if `max_tokens_given`
  bool max_tokens_given = false;  // else the handler's default
  ReportParams report;
  int32_t priority = 0;
  std::string request_id;             // the client's own name for it; may be empty
  std::string api_key;                // of the metadata `authorization: Bearer KEY`; may be empty
  std::optional<Duration> time_left;  // to the call's deadline, when it arrived
  friend bool operator==(const GenerateCall&, const GenerateCall&) = default;
};

// A function that the model may call.
struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  // a JSON schema; empty: no parameters
  friend bool operator==(const Tool&, const Tool&) = default;
};

enum class ToolMode : uint8_t { unspecified, automatic, none, required };

// The next turn of a conversation: a GenerateCall whose prompt is messages, and what only a turn
// has. Its answer comes told apart: reasoning, content, calls of tools.
struct ChatCall {
  GenerateCall turn;
  std::vector<Tool> tools;
  ToolMode tool_mode = ToolMode::unspecified;
  std::string tool_name;  // this one must be called; then tool_mode says nothing
  std::optional<bool> parallel_tool_calls;
  std::optional<bool> thinking;  // the model's switch
  bool go_on = false;            // the last message is the assistant's and isn't finished
  friend bool operator==(const ChatCall&, const ChatCall&) = default;
};

// A piece of a call: id and name in the first of each, arguments in fragments.
struct ToolCallDelta {
  uint32_t index = 0;
  std::string id;
  std::string name;
  std::string arguments;
  friend bool operator==(const ToolCallDelta&, const ToolCallDelta&) = default;
};

struct ScoredToken {
  TokenId token = 0;
  float logprob = 0;
  std::vector<TokenLogprob> top;
  friend bool operator==(const ScoredToken&, const ScoredToken&) = default;
};

enum class ChatFinish : uint8_t { none, stop, length, tool_calls };

// What a choice goes on to say; each part may be empty.
struct ChatDelta {
  ChoiceIndex choice = 0;
  std::string reasoning;
  std::string content;
  std::vector<ToolCallDelta> tool_calls;
  std::vector<ScoredToken> scores;
  ChatFinish finish = ChatFinish::none;  // set on the choice's last delta
  friend bool operator==(const ChatDelta&, const ChatDelta&) = default;
};

struct Usage {
  uint32_t prompt_tokens = 0;
  uint32_t completion_tokens = 0;  // over all choices
  uint32_t cached_tokens = 0;      // prompt tokens that were not computed anew
  uint32_t reasoning_tokens = 0;   // of completion_tokens; counted in chats
  friend bool operator==(const Usage&, const Usage&) = default;
};

struct ModelInfo {
  std::string name;
  std::string fingerprint;
  std::string numeric_mode;
  uint32_t context_tokens = 0;  // prompt and answer together
  friend bool operator==(const ModelInfo&, const ModelInfo&) = default;
};

struct TokenizeCall {
  std::string model;
  std::variant<std::string, std::vector<ChatMessage>> input;
  bool add_special_tokens = true;  // to a text
  friend bool operator==(const TokenizeCall&, const TokenizeCall&) = default;
};

struct TokenizeAnswer {
  std::vector<TokenId> tokens;
  uint32_t context_tokens = 0;
  friend bool operator==(const TokenizeAnswer&, const TokenizeAnswer&) = default;
};

struct DetokenizeCall {
  std::string model;
  std::vector<TokenId> tokens;
  friend bool operator==(const DetokenizeCall&, const DetokenizeCall&) = default;
};

// Why a call is not answered, with all that a client can act on.
struct Refusal {
  Refusal() = default;
  Refusal(Error why) : error(std::move(why)) {}  // NOLINT: every error is a refusal
  Refusal(Error why, std::string word, std::optional<Duration> again = std::nullopt)
      : error(std::move(why)), reason(std::move(word)), retry_after(again) {}
  Error error;
  std::string reason;                   // "CONTEXT_LENGTH_EXCEEDED"; empty: the code's name
  std::optional<Duration> retry_after;  // a truthful time to try again
};

// Where the answer to one call goes. Never blocks: a client that does not read what is sent (past a
// bound) is cancelled. After the end, and after a cancellation, everything is ignored. Destroying a
// sink without an end answers `internal`.
template <class Event>
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  virtual void send(Event event) = 0;
  virtual void finish(const Usage& usage) = 0;
  virtual void refuse(const Refusal& refusal) = 0;
  // The client is gone, is too slow, or its deadline has passed: called at most once, never after
  // the end and never from inside a call of this sink. Set it at once.
  virtual void on_cancel(std::function<void()> callback) = 0;
};
using GenerateSink = AnswerSink<TokenEvent>;
using ChatSink = AnswerSink<ChatDelta>;

// The answer to a question that has one; called once, at once or later.
template <class Answer>
using Reply = std::function<void(boost::system::result<Answer, Refusal>)>;

[[noreturn]] inline void throw_exception_from_error(const Refusal& refusal,
                                                    const boost::source_location&) {
  throw std::logic_error(refusal.error.message);
}

class InferenceHandler {
 public:
  virtual ~InferenceHandler() = default;
  // Whether a caller with this key (empty: none) may ask at all. Asked before each of the calls
  // below, which don't see who may not: such a call ends with gRPC's UNAUTHENTICATED.
  virtual bool allows(const std::string& api_key) = 0;
  virtual void generate(GenerateCall call, std::unique_ptr<GenerateSink> sink) = 0;
  virtual void chat(ChatCall call, std::unique_ptr<ChatSink> sink) = 0;
  virtual void tokenize(TokenizeCall call, Reply<TokenizeAnswer> reply) = 0;
  virtual void detokenize(DetokenizeCall call, Reply<std::string> reply) = 0;
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
