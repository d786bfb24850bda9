// The direct body of links: daemons of one process talk through queues, without a byte serialised.
//
// DirectNetwork is the registry of who listens where. Both ends keep the contract of link.h, each
// on its own executor: a message that is sent is posted, never delivered from inside send(). It
// bounds the number of unsent messages, not their size (nothing is copied). Thread safety: the
// network may be used from any thread; a Link, Connector or Listener belongs to its executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "base/result.h"
#include "proto/inbox.h"
#include "proto/link.h"

namespace baton::rpc {

class DirectRegistry;

class DirectNetwork {
 public:
  explicit DirectNetwork(LinkLimits limits = {});
  ~DirectNetwork();  // links, connectors and listeners may outlive it

  std::unique_ptr<Connector> connector(boost::asio::any_io_executor executor);

  // `address` is any name; one that ends with ":0" gets a free number instead. Fails with
  // unavailable if the address is taken. Destroying the Listener takes its links down.
  Result<std::unique_ptr<Listener>> listen(boost::asio::any_io_executor executor,
                                           const std::string& address, Acceptors acceptors);

 private:
  std::shared_ptr<DirectRegistry> registry_;
};

}  // namespace baton::rpc
