// One rank of a test job: fails unless the job has as many ranks as its argument says, and its port
// keeps the contract of ports.
#include <cstdio>
#include <cstdlib>

#include "parallel/exchange/mpi_port.h"
#include "parallel/world.h"
#include "tests/parallel/exchange/port_contract.h"

int main(int argc, char** argv) {
  auto world = baton::parallel::World::join(&argc, &argv);
  if (!world) return 1;
  const auto expected = static_cast<uint32_t>(std::atoi(argv[1]));
  const bool right = (*world)->size() == expected && (*world)->rank() < expected;
  if (!right) std::printf("rank %u of %u\n", (*world)->rank(), (*world)->size());
  const auto port = baton::parallel::mpi_port(**world);
  const std::string wrong = baton::parallel::testing::broken_contract(*port);
  if (!wrong.empty()) std::printf("rank %u: %s\n", (*world)->rank(), wrong.c_str());
  return right && wrong.empty() ? 0 : 1;
}
