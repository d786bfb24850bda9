// mpi_port: the port of this rank in its MPI job.
//
// Used inside a step only: Open MPI's waits poll (with mpi_yield_when_idle they give the processor
// away each time). Thread safety: one thread at a time, the only one of the process that calls MPI
// meanwhile.
#pragma once

#include <memory>

#include "parallel/exchange/port.h"
#include "parallel/world.h"

namespace baton::parallel {

inline constexpr size_t kPieceBytes = size_t{1} << 30;

// The world outlives it. MPI counts in ints: a message longer than a piece is told to it as pieces
// and a rest, at no other cost, so messages have no limit.
std::unique_ptr<Port> mpi_port(const World& world, size_t piece_bytes = kPieceBytes);

}  // namespace baton::parallel
