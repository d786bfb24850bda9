// GrpcStream: what the client's and the server's reactor of a link have in common.
//
// One read and one write are in flight at most. A full inbox pauses reading, so that HTTP/2 makes
// the peer wait and its own queue decide. The stream owns itself from begin() until gRPC's OnDone,
// so it may outlive its Link; its inbox is silent then. Nothing is started after `may_start_` is
// false. For proto/grpc_*.cpp only. Thread safety: any thread; one lock, taken before the inbox's.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "proto/codec_internal.h"
#include "proto/grpc_internal.h"
#include "proto/inbox.h"

namespace baton::rpc {

template <class Reactor, class WireOut, class WireIn, class In>
class GrpcStream : public Reactor,
                   public std::enable_shared_from_this<GrpcStream<Reactor, WireOut, WireIn, In>> {
 public:
  explicit GrpcStream(const GrpcOptions& options) : options_(options), queue_(options.unsent) {}

  Inbox<In>& inbox() { return *inbox_; }

  void send(WireOut message) {
    const size_t bytes = message.ByteSizeLong();
    std::lock_guard lock(mutex_);
    if (closing_) return;
    if (bytes > options_.message_bytes_max) {
      break_off(fail(ErrorCode::resource_exhausted,
                     "A message of {} bytes is over the limit of {}; the link is closed.", bytes,
                     options_.message_bytes_max));
    } else if (!queue_.add(std::move(message), bytes)) {
      break_off(fail(ErrorCode::resource_exhausted,
                     "The peer does not read: too many unsent messages, the link is closed."));
    } else {
      write_next();
    }
  }

  // Ends the link; what was sent before still goes out, for a while.
  void close(Error why) {
    std::lock_guard lock(mutex_);
    inbox_->abort(std::move(why));
    if (closing_) return;
    closing_ = true;
    resume_reading();  // what still comes is dropped, but the end of the stream must be seen
    if (may_start_) {
      grace_.Set(after(options_.close_grace), [weak = this->weak_from_this()](bool expired) {
        if (auto self = expired ? weak.lock() : nullptr) self->grace_over();
      });
    }
    write_next();
  }

 protected:
  // Both under the lock. end_writes: nothing will be written any more; called once.
  virtual void end_writes() = 0;
  virtual void cancel() = 0;
  virtual void read_ended() = 0;

  void begin(boost::asio::any_io_executor executor) {
    self_ = this->shared_from_this();
    inbox_ = std::make_shared<Inbox<In>>(std::move(executor), options_.unread,
                                         [weak = this->weak_from_this()] {
                                           if (auto self = weak.lock()) self->has_room();
                                         });
  }

  void OnReadDone(bool ok) override {
    Result<In> message = ok ? decode(incoming_) : Result<In>(Error{});
    std::lock_guard lock(mutex_);
    if (!ok) {
      read_ended();
    } else if (closing_) {
      read_next();
    } else if (!message) {
      break_off(message.error());
      read_next();
    } else if (inbox_->push(std::move(*message), incoming_.ByteSizeLong()) == Pushed::room) {
      read_next();
    } else {
      paused_ = true;
    }
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(mutex_);
    queue_.written();
    if (!ok) stop_writing();  // the stream is dying; the reading side will learn why
    write_next();
  }

  // Under the lock: nothing more goes out, and the inbox hears why.
  void break_off(Error why) {
    inbox_->abort(std::move(why));
    stop_writing();
    resume_reading();
    if (may_start_) cancel();
    write_next();
  }

  void stop_writing() {
    closing_ = true;
    queue_.clear();
  }

  void write_next() {
    if (!may_start_) return;
    if (const WireOut* next = queue_.start()) {
      this->StartWrite(next);
    } else if (closing_ && queue_.idle() && !writes_ended_) {
      writes_ended_ = true;
      end_writes();
    }
  }

  void read_next() {
    if (may_start_) this->StartRead(&incoming_);
  }

  void resume_reading() {
    if (std::exchange(paused_, false)) read_next();
  }

  // Lets go of itself; the caller holds the returned pointer until it returns.
  std::shared_ptr<GrpcStream> release() {
    grace_.Cancel();
    return std::move(self_);
  }

  const GrpcOptions options_;
  std::shared_ptr<Inbox<In>> inbox_;
  std::mutex mutex_;
  bool may_start_ = true;  // false: no operation may be started any more
  bool closing_ = false;   // nothing new is taken to be sent

 private:
  void has_room() {
    std::lock_guard lock(mutex_);
    resume_reading();
  }

  void grace_over() {
    std::lock_guard lock(mutex_);
    if (may_start_) cancel();
  }

  SendQueue<WireOut> queue_;
  WireIn incoming_;  // belongs to the read in flight
  bool paused_ = false;
  bool writes_ended_ = false;
  grpc::Alarm grace_;
  std::shared_ptr<GrpcStream> self_;
};

// The Link of a stream, for either side.
template <class Out, class WireOut, class Stream>
class GrpcLink final : public Link<Out> {
 public:
  explicit GrpcLink(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~GrpcLink() override {
    stream_->inbox().silence();
    close();
  }
  void send(Out message) override {
    WireOut wire;
    encode(message, &wire);
    stream_->send(std::move(wire));
  }
  void close() override {
    stream_->close(fail(ErrorCode::cancelled, "The link was closed by this side."));
  }

 private:
  std::shared_ptr<Stream> stream_;
};

}  // namespace baton::rpc
