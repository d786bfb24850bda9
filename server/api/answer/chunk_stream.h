// ChunkStream: what streams of chats and of text completions have in common: objects with one
// choice each, an object without any for the usage at the end, and how a stream ends.
// Thread safety: one object, one thread.
#pragma once

#include "server/api/answer/answer.h"

namespace baton::server::api {

class ChunkStream : public AnswerBase {
 public:
  ChunkStream(const Prepared& prepared, const TextModel& model, const AnswerName& name,
              std::string_view prefix, std::string_view object);
  void finish(uint64_t cached_tokens, std::string_view explain, std::string& out) override;
  void fail(const ApiError& error, std::string& out) override;

 protected:
  // All that is said of a choice of which only the prompt was scored.
  virtual void scored(size_t index, std::string& out) = 0;

  // An event, of which the choice's own members come in between; `first` of its choice.
  void begin_event(size_t index, std::string& out) const;
  void end_event(size_t index, bool first, std::string& out) const;

 private:
  const std::string head_;
};

}  // namespace baton::server::api
