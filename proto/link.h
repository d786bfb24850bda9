// Links: how daemons talk. A link carries typed messages both ways between two processes, in order,
// until it is down; a link that is down never comes back (the owner connects anew).
//
// One interface, three bodies: direct (same process), gRPC (one bidirectional stream), simulated.
// send() never blocks: past a bounded number of unsent messages the link is closed, because a peer
// that does not read is as good as gone. on_message and on_down run on the executor that the body
// was made with; on_down comes exactly once, last, also after close(), and never from inside
// send(), close() or connect. Destroying a Link closes it and silences its events. Thread safety:
// one executor (strand); objects are not thread safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "proto/cluster.h"
#include "proto/handoff.h"

namespace baton::rpc {

template <class In>
struct LinkEvents {
  std::function<void(In)> on_message;
  std::function<void(Error)> on_down;
};

template <class Out>
class Link {
 public:
  virtual ~Link() = default;
  virtual void send(Out message) = 0;
  virtual void close() = 0;
};

// The accepting side: called for each new link with the sender for this link's answers; returns
// the handlers of its messages. The acceptor owns the Link.
template <class Out, class In>
using Accept = std::function<LinkEvents<In>(std::unique_ptr<Link<Out>>)>;

// What a daemon accepts; an empty function refuses.
struct Acceptors {
  Accept<FromScheduler, ToScheduler> scheduler;
  Accept<FromPrefill, ToPrefill> prefill;
  Accept<FromDecode, ToDecode> decode;
};

// Opens links. Connecting is asynchronous: messages may be sent at once; failure is on_down.
class Connector {
 public:
  virtual ~Connector() = default;
  virtual std::unique_ptr<Link<ToScheduler>> to_scheduler(const std::string& address,
                                                          LinkEvents<FromScheduler> events) = 0;
  virtual std::unique_ptr<Link<ToPrefill>> to_prefill(const std::string& address,
                                                      LinkEvents<FromPrefill> events) = 0;
  virtual std::unique_ptr<Link<ToDecode>> to_decode(const std::string& address,
                                                    LinkEvents<FromDecode> events) = 0;
};

// Accepts links at an address (port 0: any free one) until destroyed.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual std::string address() const = 0;  // host:port, the port really bound
};

}  // namespace baton::rpc
