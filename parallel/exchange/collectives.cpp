#include "parallel/exchange/collectives.h"

#include <bit>

namespace baton::parallel {

void send_sized(Port& port, uint32_t to, Tag tag, std::span<const std::byte> bytes) {
  const uint64_t size = bytes.size();
  const Transfer ahead = port.send(to, tag, std::as_bytes(std::span(&size, 1)));
  const Transfer message = port.send(to, tag, bytes);
  port.wait(ahead);
  port.wait(message);
}

void receive_sized(Port& port, uint32_t from, Tag tag, std::vector<std::byte>& bytes) {
  uint64_t size = 0;
  port.wait(port.receive(from, tag, std::as_writable_bytes(std::span(&size, 1))));
  bytes.resize(size);
  port.wait(port.receive(from, tag, bytes));
}

void broadcast(Port& port, Tag tag, std::vector<std::byte>& bytes) {
  const uint32_t rank = port.rank();
  // A rank gets the bytes from the one without its highest bit, and passes them on to those with
  // one more bit above it.
  if (rank != 0) receive_sized(port, rank - std::bit_floor(rank), tag, bytes);
  const uint64_t size = bytes.size();
  std::vector<Transfer> sent;
  for (uint32_t bit = rank == 0 ? 1 : std::bit_floor(rank) << 1; rank + bit < port.size();
       bit <<= 1) {
    sent.push_back(port.send(rank + bit, tag, std::as_bytes(std::span(&size, 1))));
    sent.push_back(port.send(rank + bit, tag, bytes));
  }
  for (const Transfer transfer : sent) port.wait(transfer);
}

}  // namespace baton::parallel
