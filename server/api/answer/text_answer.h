// Answers of /v1/completions. Thread safety: one object, one thread.
#pragma once

#include "server/api/answer/chunk_stream.h"

namespace baton::server::api {

class WholeText final : public AnswerBase {
 public:
  using AnswerBase::AnswerBase;
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) override;
  void finish(uint64_t cached_tokens, std::string_view explain, std::string& out) override;
  void fail(const ApiError& error, std::string& out) override;

 private:
  void open(size_t index);  // what is echoed, once the prompt has been scored
};

class TextStream final : public ChunkStream {
 public:
  TextStream(const Prepared& prepared, const TextModel& model, const AnswerName& name);
  void tokens(size_t prompt, std::span<const TokenEvent> events, std::string& out) override;

 private:
  void scored(size_t index, std::string& out) override;
  bool open(size_t index);  // whether it is the first event of its choice
  void write(size_t index, bool first, std::string& out) const;
};

}  // namespace baton::server::api
