#include "parallel/world.h"

#include <mpi.h>
#include <sys/prctl.h>

#include <csignal>
#include <cstdlib>

namespace baton::parallel {

Result<std::unique_ptr<World>> World::join(int* argc, char*** argv) {
  // If mpirun is killed its ranks must not live on.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  int provided = 0;
  if (MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS ||
      provided < MPI_THREAD_SERIALIZED) {
    return fail(ErrorCode::unavailable, "MPI can't start with threads that take turns");
  }
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return std::unique_ptr<World>(
      new World(static_cast<uint32_t>(rank), static_cast<uint32_t>(size)));
}

World::~World() { MPI_Finalize(); }

void World::abort(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::_Exit(status);
}

}  // namespace baton::parallel
