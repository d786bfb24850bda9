// World: the ranks of one MPI job. The only place, with its .cpp, that names MPI.
//
// A worker is started by mpirun, also at one rank: an instance is one MPI job and fails as one.
// MPI is used only inside a step (Open MPI's receives poll); an idle rank sleeps elsewhere.
// Thread safety: MPI_THREAD_SERIALIZED: one thread at a time calls MPI.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"

namespace baton::parallel {

class World {
 public:
  // Joins the job; also works without mpirun (one rank). Once a process.
  static Result<std::unique_ptr<World>> join(int* argc, char*** argv);
  ~World();  // leaves in good order: every rank must come here
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  uint32_t rank() const { return rank_; }
  uint32_t size() const { return size_; }

  // Ends the whole job at once, after an error that one rank alone has seen.
  [[noreturn]] void abort(int status);

 private:
  World(uint32_t rank, uint32_t size) : rank_(rank), size_(size) {}
  uint32_t rank_;
  uint32_t size_;
};

}  // namespace baton::parallel
