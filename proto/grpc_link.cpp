#include "proto/grpc_link.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>

#include "baton/v1/services.grpc.pb.h"
#include "proto/grpc_stream.h"

namespace baton::rpc {

namespace {

using boost::asio::any_io_executor;

// What differs between the three kinds of link. Up is what the connecting side sends.
struct SchedulerKind {
  using Service = v1::SchedulerService;
  using Up = ToScheduler;
  using Down = FromScheduler;
  using WireUp = v1::ToScheduler;
  using WireDown = v1::FromScheduler;
};
struct PrefillKind {
  using Service = v1::PrefillService;
  using Up = ToPrefill;
  using Down = FromPrefill;
  using WireUp = v1::ToPrefill;
  using WireDown = v1::FromPrefill;
};
struct DecodeKind {
  using Service = v1::DecodeService;
  using Up = ToDecode;
  using Down = FromDecode;
  using WireUp = v1::ToDecode;
  using WireDown = v1::FromDecode;
};

// ---- the connecting side -----------------------------------------------------------------------

template <class Kind>
using ClientBase =
    GrpcStream<grpc::ClientBidiReactor<typename Kind::WireUp, typename Kind::WireDown>,
               typename Kind::WireUp, typename Kind::WireDown, typename Kind::Down>;

template <class Kind>
class ClientStream final : public ClientBase<Kind> {
 public:
  ClientStream(std::shared_ptr<grpc::Channel> channel, std::string address,
               const GrpcOptions& options)
      : ClientBase<Kind>(options),
        stub_(Kind::Service::NewStub(channel)),
        address_(std::move(address)) {}

  void connect(any_io_executor executor, LinkEvents<typename Kind::Down> events) {
    this->begin(std::move(executor));
    this->inbox_->open(std::move(events));
    stub_->async()->Attach(&context_, this);
    this->AddHold();  // operations start from outside gRPC's callbacks until the reading has ended
    std::lock_guard lock(this->mutex_);
    this->read_next();
    this->StartCall();
  }

 private:
  void end_writes() override { this->StartWritesDone(); }
  void cancel() override { context_.TryCancel(); }
  void read_ended() override {
    this->stop_writing();
    this->may_start_ = false;
    this->RemoveHold();
  }

  void OnDone(const grpc::Status& status) override {
    this->inbox_->end(to_error(status, address_));
    const auto self = this->release();
  }

  const std::unique_ptr<typename Kind::Service::Stub> stub_;
  const std::string address_;
  grpc::ClientContext context_;
};

class GrpcConnector final : public Connector {
 public:
  GrpcConnector(any_io_executor executor, const GrpcOptions& options)
      : executor_(std::move(executor)), options_(options) {}

  std::unique_ptr<Link<ToScheduler>> to_scheduler(const std::string& address,
                                                  LinkEvents<FromScheduler> events) override {
    return connect<SchedulerKind>(address, std::move(events));
  }
  std::unique_ptr<Link<ToPrefill>> to_prefill(const std::string& address,
                                              LinkEvents<FromPrefill> events) override {
    return connect<PrefillKind>(address, std::move(events));
  }
  std::unique_ptr<Link<ToDecode>> to_decode(const std::string& address,
                                            LinkEvents<FromDecode> events) override {
    return connect<DecodeKind>(address, std::move(events));
  }

 private:
  template <class Kind>
  std::unique_ptr<Link<typename Kind::Up>> connect(const std::string& address,
                                                   LinkEvents<typename Kind::Down> events) {
    using Stream = ClientStream<Kind>;
    // A channel is dropped with the last of its links; gRPC shares the connection below while one
    // lives.
    auto stream = std::make_shared<Stream>(open_channel(address, options_), address, options_);
    stream->connect(executor_, std::move(events));
    return std::make_unique<GrpcLink<typename Kind::Up, typename Kind::WireUp, Stream>>(
        std::move(stream));
  }

  const any_io_executor executor_;
  const GrpcOptions options_;
};

// ---- the accepting side ------------------------------------------------------------------------

// What the listener needs of a stream, whatever its kind.
class ServerSide {
 public:
  virtual ~ServerSide() = default;
  virtual void listener_closed() = 0;
};

// What the services of one listener share. Streams come on gRPC's threads.
class GrpcDoor {
 public:
  GrpcDoor(any_io_executor executor, Acceptors acceptors, const GrpcOptions& options)
      : executor_(std::move(executor)), acceptors_(std::move(acceptors)), options_(options) {}

  const any_io_executor& executor() const { return executor_; }
  const Acceptors& acceptors() const { return acceptors_; }
  const GrpcOptions& options() const { return options_; }

  // Hands `accept` to the executor; false if the door has closed.
  bool enter(const std::shared_ptr<ServerSide>& stream, std::function<void()> accept) {
    std::lock_guard lock(mutex_);
    if (closed_) return false;
    std::erase_if(streams_, [](const auto& weak) { return weak.expired(); });
    streams_.push_back(stream);
    boost::asio::post(executor_, std::move(accept));
    return true;
  }

  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }

  void close() {
    std::vector<std::weak_ptr<ServerSide>> streams;
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      streams.swap(streams_);
    }
    for (const auto& weak : streams) {
      if (auto stream = weak.lock()) stream->listener_closed();
    }
  }

 private:
  const any_io_executor executor_;
  const Acceptors acceptors_;
  const GrpcOptions options_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::vector<std::weak_ptr<ServerSide>> streams_;
};

template <class Kind>
using ServerBase =
    GrpcStream<grpc::ServerBidiReactor<typename Kind::WireUp, typename Kind::WireDown>,
               typename Kind::WireDown, typename Kind::WireUp, typename Kind::Up>;

template <class Kind>
class ServerStream final : public ServerBase<Kind>, public ServerSide {
 public:
  ServerStream(grpc::CallbackServerContext* context, const GrpcOptions& options)
      : ServerBase<Kind>(options), context_(context) {}

  void start(any_io_executor executor) {
    this->begin(std::move(executor));
    std::lock_guard lock(this->mutex_);
    this->read_next();
  }

  void listener_closed() override {
    this->close(fail(ErrorCode::unavailable, "The listener has closed."));
  }

 private:
  void end_writes() override {
    this->may_start_ = false;
    this->Finish(grpc::Status::OK);
  }
  void cancel() override { context_->TryCancel(); }
  void read_ended() override { peer_gone(); }

  void OnCancel() override {
    std::lock_guard lock(this->mutex_);
    peer_gone();
  }

  void peer_gone() {
    this->inbox_->end(fail(ErrorCode::unavailable, "The peer closed the link or is gone."));
    this->stop_writing();
    this->write_next();
  }

  void OnDone() override { const auto self = this->release(); }

  grpc::CallbackServerContext* const context_;  // gRPC's own, until OnDone
};

template <class Kind>
class LinkService final : public Kind::Service::CallbackService {
 public:
  using Acceptor = Accept<typename Kind::Down, typename Kind::Up>;

  LinkService(std::shared_ptr<GrpcDoor> door, Acceptor Acceptors::*acceptor)
      : door_(std::move(door)), acceptor_(acceptor) {}

  grpc::ServerBidiReactor<typename Kind::WireUp, typename Kind::WireDown>* Attach(
      grpc::CallbackServerContext* context) override {
    using Stream = ServerStream<Kind>;
    auto stream = std::make_shared<Stream>(context, door_->options());
    stream->start(door_->executor());
    const bool entered = door_->enter(stream, [door = door_, stream, acceptor = acceptor_] {
      if (door->closed()) return;
      using DownLink = GrpcLink<typename Kind::Down, typename Kind::WireDown, Stream>;
      stream->inbox().open((door->acceptors().*acceptor)(std::make_unique<DownLink>(stream)));
    });
    if (!entered) stream->listener_closed();
    return stream.get();  // owns itself until OnDone
  }

 private:
  const std::shared_ptr<GrpcDoor> door_;
  Acceptor Acceptors::*const acceptor_;
};

class GrpcListener final : public Listener {
 public:
  GrpcListener(std::shared_ptr<GrpcDoor> door)
      : door_(std::move(door)),
        scheduler_(door_, &Acceptors::scheduler),
        prefill_(door_, &Acceptors::prefill),
        decode_(door_, &Acceptors::decode) {}

  ~GrpcListener() override {
    door_->close();
    if (started_.server) started_.server->Shutdown(after(door_->options().close_grace));
  }

  Result<void> start(const std::string& host, uint16_t port) {
    std::vector<grpc::Service*> services;
    if (door_->acceptors().scheduler) services.push_back(&scheduler_);
    if (door_->acceptors().prefill) services.push_back(&prefill_);
    if (door_->acceptors().decode) services.push_back(&decode_);
    if (services.empty())
      return fail(ErrorCode::invalid_argument, "A listener needs at least one acceptor.");
    BATON_TRY(started, start_server(host, port, services, door_->options()));
    started_ = std::move(started);
    return {};
  }

  std::string address() const override { return started_.address; }

 private:
  const std::shared_ptr<GrpcDoor> door_;
  LinkService<SchedulerKind> scheduler_;
  LinkService<PrefillKind> prefill_;
  LinkService<DecodeKind> decode_;
  StartedServer started_;  // before the services in destruction
};

}  // namespace

std::unique_ptr<Connector> grpc_connector(any_io_executor executor, const GrpcOptions& options) {
  return std::make_unique<GrpcConnector>(std::move(executor), options);
}

Result<std::unique_ptr<Listener>> grpc_listen(any_io_executor executor, const std::string& host,
                                              uint16_t port, Acceptors acceptors,
                                              const GrpcOptions& options) {
  auto listener = std::make_unique<GrpcListener>(
      std::make_shared<GrpcDoor>(std::move(executor), std::move(acceptors), options));
  BATON_CHECKED(listener->start(host, port));
  return std::unique_ptr<Listener>(std::move(listener));
}

}  // namespace baton::rpc
