// Calls: what the public gRPC services of one server share: the handler, its executor, and the
// calls that are under way.
//
// Calls come on gRPC's threads and go to the handler on the executor, with the caller's key judged
// there. After close() nothing is posted any more and every call ends without the handler's help.
// For proto/*.cpp only. Thread safety: any thread; close() on the executor.
#pragma once

#include <grpc/support/time.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <map>
#include <mutex>

#include "proto/grpc_answer.h"
#include "proto/inference.h"

namespace baton::rpc {

inline std::string api_key(const grpc::CallbackServerContext& context) {
  constexpr std::string_view kScheme = "bearer ";  // the scheme's case doesn't matter (RFC 9110)
  const auto found = context.client_metadata().find("authorization");
  if (found == context.client_metadata().end()) return {};
  const std::string_view value(found->second.data(), found->second.size());
  const auto same = [](char scheme, char given) { return scheme == (given | 0x20); };
  const bool bearer = value.size() > kScheme.size() &&
                      std::equal(kScheme.begin(), kScheme.end(), value.begin(), same);
  return bearer ? std::string(value.substr(kScheme.size())) : std::string();
}

inline std::optional<Duration> time_left(const grpc::CallbackServerContext& context) {
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return std::nullopt;
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return std::chrono::seconds(left.tv_sec) + Duration(left.tv_nsec);
}

inline const Refusal& closing() {
  static const Refusal refusal(fail(ErrorCode::unavailable, "The server is closing."), "DRAINING");
  return refusal;
}

// Of a call whose bytes are no message. gRPC itself would call its method unimplemented.
inline const Refusal& no_message() {
  static const Refusal refusal(
      fail(ErrorCode::invalid_argument, "The call's bytes are no message of this method."),
      "MALFORMED_MESSAGE");
  return refusal;
}

template <class Request>
bool parse(const grpc::ByteBuffer& bytes, Request* request) {
  grpc::ByteBuffer copy(bytes);  // of references to its slices
  return grpc::SerializationTraits<Request>::Deserialize(&copy, request).ok();
}

class Calls : public std::enable_shared_from_this<Calls> {
 public:
  Calls(boost::asio::any_io_executor executor, const GrpcOptions& options,
        InferenceHandler* handler)
      : executor(std::move(executor)), options(options), handler_(handler) {}

  const boost::asio::any_io_executor executor;
  const GrpcOptions options;

  void close() {
    std::vector<std::weak_ptr<OpenAnswer>> answers;
    std::map<uint64_t, Question> questions;
    {
      std::lock_guard lock(mutex_);
      handler_ = nullptr;
      answers.swap(answers_);
      questions.swap(questions_);
    }
    for (const auto& [number, question] : questions) question.refuse(closing());
    for (const auto& weak : answers) {
      if (auto answer = weak.lock()) answer->refuse(closing());
    }
  }

  // Hands a call whose answer is a stream to the handler, unless the server is full or closing.
  void admit(const std::shared_ptr<OpenAnswer>& answer, std::string key,
             std::function<void(InferenceHandler&)> hand_over) {
    {
      std::lock_guard lock(mutex_);
      std::erase_if(answers_, [](const auto& weak) { return weak.expired(); });
      if (handler_ && answers_.size() < options.streams_max) {
        answers_.push_back(answer);
        boost::asio::post(executor, [shared = shared_from_this(), answer, key = std::move(key),
                                     hand_over = std::move(hand_over)] {
          auto* handler = shared->open_handler();
          if (!handler) return;
          if (!handler->allows(key)) return answer->end(not_allowed());
          hand_over(*handler);
        });
        return;
      }
    }
    answer->refuse({fail(ErrorCode::resource_exhausted,
                         "The server is closing or serves all the calls it may."),
                    "TOO_MANY_CALLS", Duration(1s)});
  }

  // A call with one answer: `hand_over` gets what answers it, once. `write` fills gRPC's response,
  // which is there as long as the question is open.
  template <class Answer>
  void ask(grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
           std::function<void(const Answer&)> write,
           std::function<void(InferenceHandler&, Reply<Answer>)> hand_over) {
    uint64_t number = 0;
    {
      std::lock_guard lock(mutex_);
      number = handler_ ? ++questions_asked_ : 0;
      if (number > 0) questions_.emplace(number, Question{context, reactor});
    }
    if (number == 0) return Question{context, reactor}.refuse(closing());
    boost::asio::post(executor, [shared = shared_from_this(), number, key = api_key(*context),
                                 write = std::move(write), hand_over = std::move(hand_over)] {
      auto* handler = shared->open_handler();
      if (!handler) return;
      if (!handler->allows(key)) {
        return shared->answer(
            number, [](const Question& question) { question.reactor->Finish(not_allowed()); });
      }
      hand_over(*handler, [shared, number, write](boost::system::result<Answer, Refusal> result) {
        shared->answer(number, [&](const Question& question) {
          if (!result) return question.refuse(result.error());
          write(*result);
          question.reactor->Finish(grpc::Status::OK);
        });
      });
    });
  }

 private:
  // Both are gRPC's own, until Finish.
  struct Question {
    grpc::CallbackServerContext* context;
    grpc::ServerUnaryReactor* reactor;
    void refuse(const Refusal& refusal) const {
      add_trailers(*context, refusal);
      reactor->Finish(to_status(refusal));
    }
  };

  // On the executor, as close() is: what it returns stays valid for the handler's turn.
  InferenceHandler* open_handler() {
    std::lock_guard lock(mutex_);
    return handler_;
  }

  // The question is either here, then its response is alive too, or it has its answer.
  void answer(uint64_t number, const std::function<void(const Question&)>& finish) {
    std::lock_guard lock(mutex_);
    const auto question = questions_.extract(number);
    if (!question.empty()) finish(question.mapped());
  }

  std::mutex mutex_;
  InferenceHandler* handler_;  // nullptr once closed
  std::vector<std::weak_ptr<OpenAnswer>> answers_;
  std::map<uint64_t, Question> questions_;
  uint64_t questions_asked_ = 0;
};

}  // namespace baton::rpc
