// The limits and times of gRPC connections; defaults suit a cluster's own network.
// Thread safety: values.
#pragma once

#include <string>

#include "base/clock.h"
#include "proto/inbox.h"

namespace baton::rpc {

struct GrpcOptions {
  size_t message_bytes_max = size_t{16} << 20;  // a larger one takes its link down
  LinkLimits unsent;                            // waiting to be written, a link
  LinkLimits unread{.messages_max = 256};       // arrived, not yet handled: then the peer waits
  uint32_t streams_max = 4096;                  // concurrent calls a connection
  Duration keepalive_time = 10s;                // a ping after that much silence
  Duration keepalive_timeout = 5s;              // no answer to it: the peer is gone
  Duration connect_timeout = 5s;
  Duration reconnect_min = 100ms;  // the pause after a failed connection, growing up to
  Duration reconnect_max = 1s;     // this one
  Duration close_grace = 2s;       // for messages sent before close() to go out
  bool reflection = false;         // the reflection service on a listener
  // A listener's certificate chain and key, PEM files that fit; empty: no encryption. They are read
  // again when they change.
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_roots;  // a client's: PEM text of whom to trust; empty: no encryption
};

}  // namespace baton::rpc
