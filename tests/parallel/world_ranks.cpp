// One rank of a test job: fails unless the job has as many ranks as its argument says, its port
// keeps the contract of ports, also where messages are long, and rows find their experts over it.
#include <cstdio>
#include <cstdlib>

#include "parallel/exchange/mpi_port.h"
#include "parallel/world.h"
#include "tests/parallel/exchange/dispatch_contract.h"
#include "tests/parallel/exchange/port_contract.h"

namespace {

using namespace baton::parallel;

bool keeps(Port& port, const char* what, const std::string& wrong) {
  if (!wrong.empty()) std::printf("rank %u, %s: %s\n", port.rank(), what, wrong.c_str());
  return wrong.empty();
}

}  // namespace

int main(int argc, char** argv) {
  auto world = World::join(&argc, &argv);
  if (!world) return 1;
  const auto expected = static_cast<uint32_t>(std::atoi(argv[1]));
  bool right = (*world)->size() == expected && (*world)->rank() < expected;
  if (!right) std::printf("rank %u of %u\n", (*world)->rank(), (*world)->size());
  const auto port = mpi_port(**world);
  right = keeps(*port, "messages", testing::broken_contract(*port)) && right;
  const auto pieces = mpi_port(**world, 1000);  // as if a message of 1001 bytes were a long one
  right = keeps(*pieces, "messages in pieces", testing::broken_contract(*pieces)) && right;
  for (const uint32_t per_host : {0u, 1u, 2u}) {
    if (per_host != 0 && expected % per_host != 0) continue;
    const testing::Case c{expected, per_host, 3, 2, 40};
    right = keeps(*port, "dispatch", testing::broken_dispatch(*port, c)) && right;
    right = keeps(*pieces, "dispatch in pieces", testing::broken_dispatch(*pieces, c)) && right;
  }
  return right ? 0 : 1;
}
