// StreamAnswer: the answer to one call whose answer is a stream of Wire messages; StreamSink: the
// handler's end of it.
//
// The reactor owns itself until gRPC's OnDone. A client that doesn't read what waits for it, past a
// bound, is cancelled. Lock order: the answer's, then its inbox's. For proto/grpc_*.cpp only.
// Thread safety: gRPC's threads and the executor's meet under the answer's lock.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <mutex>
#include <variant>

#include "proto/codec_internal.h"
#include "proto/grpc_internal.h"
#include "proto/grpc_refusal.h"

namespace baton::rpc {

// Any answer, as the server ends it.
class OpenAnswer {
 public:
  virtual ~OpenAnswer() = default;
  virtual void refuse(const Refusal& refusal) = 0;
  virtual void end(const grpc::Status& status) = 0;
};

template <class Wire>
class StreamAnswer final : public grpc::ServerWriteReactor<Wire>,
                           public OpenAnswer,
                           public std::enable_shared_from_this<StreamAnswer<Wire>> {
 public:
  StreamAnswer(grpc::CallbackServerContext* context, boost::asio::any_io_executor executor,
               const GrpcOptions& options)
      : context_(context),
        queue_(options.unsent),
        cancelled_(std::make_shared<Inbox<std::monostate>>(std::move(executor), LinkLimits{})) {}

  // Returns the reactor that gRPC is to drive.
  StreamAnswer* begin() {
    self_ = this->shared_from_this();
    return this;
  }

  template <class Event>
  void send(const Event& event) {
    Wire wire;
    encode(event, &wire);
    const size_t bytes = wire.ByteSizeLong();
    std::lock_guard lock(mutex_);
    if (ending_) return;
    if (!queue_.add(std::move(wire), bytes)) {
      end_with(to_status(fail(ErrorCode::resource_exhausted, "The client does not read.")));
      queue_.clear();
      cancelled_->end(fail(ErrorCode::cancelled, "The client does not read."));
      if (!finished_) context_->TryCancel();
    }
    write_next();
  }

  void end(const grpc::Status& status) override {
    std::lock_guard lock(mutex_);
    if (ending_) return;
    end_with(status);
    write_next();
  }

  void refuse(const Refusal& refusal) override {
    std::lock_guard lock(mutex_);
    if (ending_) return;
    add_trailers(*context_, refusal);
    end_with(to_status(refusal));
    write_next();
  }

  Inbox<std::monostate>& cancelled() { return *cancelled_; }

 private:
  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    queue_.written();
    if (!ok) queue_.clear();
    write_next();
  }

  void OnCancel() override {
    std::lock_guard lock(mutex_);
    cancelled_->end(fail(ErrorCode::cancelled, "The client is gone or its time is over."));
    end_with(grpc::Status::CANCELLED);
    queue_.clear();
    write_next();
  }

  void OnDone() override { const auto self = std::move(self_); }

  // The first end counts.
  void end_with(const grpc::Status& status) {
    if (!std::exchange(ending_, true)) status_ = status;
  }

  void write_next() {
    if (finished_) return;
    if (const auto* next = queue_.start()) {
      this->StartWrite(next);
    } else if (ending_ && queue_.idle()) {
      finished_ = true;
      this->Finish(status_);
    }
  }

  grpc::CallbackServerContext* const context_;  // gRPC's own, until OnDone
  std::mutex mutex_;
  SendQueue<Wire> queue_;
  grpc::Status status_;
  bool ending_ = false;
  bool finished_ = false;
  const std::shared_ptr<Inbox<std::monostate>> cancelled_;  // only its on_down is used
  std::shared_ptr<StreamAnswer> self_;
};

// Event: what the handler sends; Any: what encode() takes for the wire, an Event or a Usage.
template <class Wire, class Event, class Any>
class StreamSink final : public AnswerSink<Event> {
 public:
  explicit StreamSink(std::shared_ptr<StreamAnswer<Wire>> answer) : answer_(std::move(answer)) {}
  ~StreamSink() override {
    refuse(fail(ErrorCode::internal, "The request was dropped without an answer."));
  }

  void send(Event event) override { answer_->send(Any(std::move(event))); }

  void finish(const Usage& usage) override {
    answer_->cancelled().silence();
    answer_->send(Any(usage));
    answer_->end(grpc::Status::OK);
  }

  void refuse(const Refusal& refusal) override {
    answer_->cancelled().silence();
    answer_->refuse(refusal);
  }

  void on_cancel(std::function<void()> callback) override {
    answer_->cancelled().open(
        {.on_message = nullptr,
         .on_down = [callback = std::move(callback)](const Error&) { callback(); }});
  }

 private:
  const std::shared_ptr<StreamAnswer<Wire>> answer_;
};

}  // namespace baton::rpc
