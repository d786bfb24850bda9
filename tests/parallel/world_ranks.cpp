// One rank of a test job: fails unless the job has as many ranks as its argument says.
#include <cstdio>
#include <cstdlib>

#include "parallel/world.h"

int main(int argc, char** argv) {
  auto world = baton::parallel::World::join(&argc, &argv);
  if (!world) return 1;
  const auto expected = static_cast<uint32_t>(std::atoi(argv[1]));
  const bool right = (*world)->size() == expected && (*world)->rank() < expected;
  if (!right) std::printf("rank %u of %u\n", (*world)->rank(), (*world)->size());
  return right ? 0 : 1;
}
