#include "server/inference/speaker.h"

namespace baton::server {

namespace {

using Kind = api::OutputEvent::Kind;

class TokenSpeaker final : public Speaker {
 public:
  explicit TokenSpeaker(std::unique_ptr<rpc::GenerateSink> sink) : sink_(std::move(sink)) {}
  void begin(const api::Prepared&) override {}
  void say(std::span<const TokenEvent> events) override {
    for (const auto& event : events) sink_->send(event);
  }
  void finish(rpc::Usage usage) override { sink_->finish(usage); }
  void refuse(const rpc::Refusal& refusal) override { sink_->refuse(refusal); }
  void on_cancel(std::function<void()> callback) override { sink_->on_cancel(std::move(callback)); }

 private:
  std::unique_ptr<rpc::GenerateSink> sink_;
};

class ChatSpeaker final : public Speaker {
 public:
  ChatSpeaker(std::unique_ptr<rpc::ChatSink> sink, const api::TextModel& model,
              const api::AnswerName& name)
      : sink_(std::move(sink)), model_(model), name_(name) {}

  void begin(const api::Prepared& prepared) override {
    scores_ = prepared.request.report.logprobs;
    parsers_.assign(prepared.request.choices, api::OutputParser(prepared.rules, model_));
  }

  void say(std::span<const TokenEvent> events) override {
    for (const auto& event : events) say(event);
  }

  void finish(rpc::Usage usage) override {
    for (const auto& parser : parsers_) usage.reasoning_tokens += parser.reasoning_tokens();
    sink_->finish(usage);
  }
  void refuse(const rpc::Refusal& refusal) override { sink_->refuse(refusal); }
  void on_cancel(std::function<void()> callback) override { sink_->on_cancel(std::move(callback)); }

 private:
  void say(const TokenEvent& event) {
    check(event.choice < parsers_.size(), "a token belongs to a choice that was asked for");
    api::OutputParser& parser = parsers_[event.choice];
    events_.clear();
    parser.push(event.token, event.text, event.finish.has_value(), events_);
    rpc::ChatDelta delta{.choice = event.choice};
    for (const auto& said : events_) add(delta, said);
    if (scores_) delta.scores.push_back({event.token, event.logprob, event.top});
    if (event.finish == FinishReason::length) delta.finish = rpc::ChatFinish::length;
    if (event.finish == FinishReason::stop) {
      delta.finish = parser.called() ? rpc::ChatFinish::tool_calls : rpc::ChatFinish::stop;
    }
    if (!(delta == rpc::ChatDelta{.choice = event.choice})) sink_->send(std::move(delta));
  }

  void add(rpc::ChatDelta& delta, const api::OutputEvent& said) const {
    switch (said.kind) {
      case Kind::reasoning:
        delta.reasoning += said.text;
        break;
      case Kind::content:
        delta.content += said.text;
        break;
      case Kind::call:
        delta.tool_calls.push_back(
            {.index = said.call, .id = name_.call_id(delta.choice, said.call), .name = said.text});
        break;
      case Kind::arguments:
        if (delta.tool_calls.empty() || delta.tool_calls.back().index != said.call) {
          delta.tool_calls.push_back({.index = said.call});
        }
        delta.tool_calls.back().arguments += said.text;
        break;
      case Kind::call_end:
        break;
      case Kind::call_broken:  // what was told of it can't be taken back; the rest is content
        delta.content += said.text.substr(said.text.size() - said.rest);
        break;
    }
  }

  std::unique_ptr<rpc::ChatSink> sink_;
  const api::TextModel& model_;
  const api::AnswerName name_;
  bool scores_ = false;
  std::vector<api::OutputParser> parsers_;  // one a choice
  std::vector<api::OutputEvent> events_;    // reused
};

ErrorCode code_of(int status) {
  switch (status) {
    case 404:
      return ErrorCode::not_found;
    case 429:
      return ErrorCode::resource_exhausted;
    case 500:
      return ErrorCode::internal;
    case 503:
      return ErrorCode::unavailable;
    case 504:
      return ErrorCode::deadline_exceeded;
    default:
      return ErrorCode::invalid_argument;
  }
}

}  // namespace

std::unique_ptr<Speaker> token_speaker(std::unique_ptr<rpc::GenerateSink> sink) {
  return std::make_unique<TokenSpeaker>(std::move(sink));
}

std::unique_ptr<Speaker> chat_speaker(std::unique_ptr<rpc::ChatSink> sink,
                                      const api::TextModel& model, const api::AnswerName& name) {
  return std::make_unique<ChatSpeaker>(std::move(sink), model, name);
}

rpc::Refusal to_refusal(const api::ApiError& error) {
  rpc::Refusal refusal(Error{code_of(error.status), error.message, error.param}, error.code);
  if (error.retry_after_s > 0) refusal.retry_after = std::chrono::seconds(error.retry_after_s);
  return refusal;
}

}  // namespace baton::server
