// Answers of /v1/chat/completions. The order and shape of a stream are what clients depend on
// (README, "What clients need"). Thread safety: one object, one thread.
#pragma once

#include "server/api/answer/chunk_stream.h"

namespace baton::server::api {

class WholeChat final : public AnswerBase {
 public:
  using AnswerBase::AnswerBase;
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) override;
  void finish(uint64_t cached_tokens, std::string_view explain, std::string& out) override;
  void fail(const ApiError& error, std::string& out) override;

 private:
  void append_message(std::string& out, size_t index) const;
};

class ChatStream final : public ChunkStream {
 public:
  ChatStream(const Prepared& prepared, const TextModel& model, const AnswerName& name);
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) override;

 private:
  void scored(size_t index, std::string& out) override;
  void event(size_t index, const TokenEvent& event, std::string& out);
  void begin(size_t index, std::string& out);
  void end(size_t index, std::string& out);
  // An event with a delta, whose members come in between.
  void begin_delta(size_t index, std::string& out) const;
  void end_delta(size_t index, bool with_parts, std::string& out);
  bool append_delta(std::string& out, size_t index, const OutputEvent& event) const;
};

}  // namespace baton::server::api
