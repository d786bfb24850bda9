// What the gRPC units of this folder share: statuses, channels, servers, the queue of a writer.
// For proto/grpc_*.cpp only. Thread safety: functions; a SendQueue is under its stream's lock.
#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/server.h>
#include <grpcpp/support/status.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "proto/grpc_options.h"

namespace grpc {
class Service;
}

namespace baton::rpc {

grpc::Status to_status(const Error& error);
Error to_error(const grpc::Status& status, const std::string& address);

// A span from now, as gRPC's deadlines take it.
gpr_timespec after(Duration span);

std::shared_ptr<grpc::Channel> open_channel(const std::string& address, const GrpcOptions& options);

// A started server and the address that it really bound.
struct StartedServer {
  std::unique_ptr<grpc::Server> server;
  std::string address;
};
Result<StartedServer> start_server(const std::string& host, uint16_t port,
                                   const std::vector<grpc::Service*>& services,
                                   const GrpcOptions& options);

// Messages that wait for the write in flight to end. It bounds both their number and their bytes.
template <class Wire>
class SendQueue {
 public:
  explicit SendQueue(LinkLimits limits) : limits_(limits) {}

  // Returns false if the message is past the limits.
  bool add(Wire message, size_t bytes) {
    if (queue_.size() >= limits_.messages_max || bytes_ >= limits_.bytes_max) return false;
    bytes_ += bytes;
    queue_.push_back({std::move(message), bytes});
    return true;
  }
  // The message to write now, which stays where it is until written(); nullptr: none, or a write
  // is in flight.
  const Wire* start() {
    if (writing_ || queue_.empty()) return nullptr;
    writing_ = true;
    return &queue_.front().message;
  }
  void written() {
    writing_ = false;
    bytes_ -= queue_.front().bytes;
    queue_.pop_front();
  }
  // Drops what is not in flight.
  void clear() {
    while (queue_.size() > (writing_ ? 1 : 0)) {
      bytes_ -= queue_.back().bytes;
      queue_.pop_back();
    }
  }
  bool idle() const { return queue_.empty(); }

 private:
  struct Item {
    Wire message;
    size_t bytes = 0;
  };
  const LinkLimits limits_;
  std::deque<Item> queue_;
  size_t bytes_ = 0;
  bool writing_ = false;
};

}  // namespace baton::rpc
