// Messages whose size the receiver does not know, and one that goes to all ranks.
//
// A size goes ahead of the bytes. Thread safety: as the port's.
#pragma once

#include <vector>

#include "parallel/exchange/port.h"

namespace baton::parallel {

void send_sized(Port& port, uint32_t to, Tag tag, std::span<const std::byte> bytes);
// Into `bytes`, which grows to the message's size and keeps its capacity.
void receive_sized(Port& port, uint32_t from, Tag tag, std::vector<std::byte>& bytes);

// From rank 0 to all, by a binomial tree: each rank that has the bytes passes them on. Every rank
// calls it; `bytes` is what rank 0 says, and what all others get.
void broadcast(Port& port, Tag tag, std::vector<std::byte>& bytes);

}  // namespace baton::parallel
