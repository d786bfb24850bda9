// Port: messages between the ranks of one instance, inside a step.
//
// send() and receive() start a transfer of bytes that are the caller's and stay as they are until
// it is done; wait() moves all transfers along meanwhile. Between two ranks, messages of one tag
// arrive in the order in which they were sent. A message longer than its buffer, and a rank that is
// lost, are broken invariants: they end the process, and with it the instance. One interface, three
// bodies: MPI (mpi_port.h), threads of one process (local_port.h), and a delayed link around
// another (delayed_port.h). Thread safety: one owner thread a port.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/id.h"

namespace baton::parallel {

// Below kTagsMax. model/team has 0 to 2 and 6 (a step's messages), model/instance 3, and 4 and 5
// are of a group's accepted drafts; model/layers has those from 8 on (network) and from 16 on
// (experts).
using Tag = uint32_t;
inline constexpr Tag kTagsMax = 1 << 12;
using Transfer = Id<struct TransferTag, uint32_t>;

struct PortCounts {  // since the start, of what this rank sent
  uint64_t messages = 0;
  uint64_t bytes = 0;
  uint64_t waited_ns = 0;  // in wait() for what had not come
};

class Port {
 public:
  virtual ~Port() = default;
  virtual uint32_t rank() const = 0;
  virtual uint32_t size() const = 0;

  virtual Transfer send(uint32_t to, Tag tag, std::span<const std::byte> bytes) = 0;
  virtual Transfer receive(uint32_t from, Tag tag, std::span<std::byte> buffer) = 0;
  // Would wait() return at once? Each transfer ends with exactly one wait(), whatever done() said;
  // before it the buffer may not be read.
  virtual bool done(Transfer transfer) = 0;
  virtual size_t wait(Transfer transfer) = 0;  // the message's bytes

  virtual const PortCounts& counts() const = 0;
};

}  // namespace baton::parallel
