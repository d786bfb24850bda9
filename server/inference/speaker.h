// Speaker: how the answer to one gRPC call is said: tokens as they are (Generate), or told apart
// into reasoning, content and calls of tools (Chat). Thread: the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "proto/inference.h"
#include "server/api/answer/answer.h"
#include "server/api/prompt/prepare.h"

namespace baton::server {

class Speaker {
 public:
  virtual ~Speaker() = default;
  // The answer is about to begin. `prepared` outlives it.
  virtual void begin(const api::Prepared& prepared) = 0;
  virtual void say(std::span<const TokenEvent> events) = 0;
  virtual void finish(rpc::Usage usage) = 0;
  virtual void refuse(const rpc::Refusal& refusal) = 0;
  virtual void on_cancel(std::function<void()> callback) = 0;
};

std::unique_ptr<Speaker> token_speaker(std::unique_ptr<rpc::GenerateSink> sink);

// `name` draws the ids of calls; the model outlives it.
std::unique_ptr<Speaker> chat_speaker(std::unique_ptr<rpc::ChatSink> sink,
                                      const api::TextModel& model, const api::AnswerName& name);

// An API error in the terms of gRPC.
rpc::Refusal to_refusal(const api::ApiError& error);

}  // namespace baton::server
