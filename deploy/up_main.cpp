// baton-up: a local cluster of daemons in the foreground.
#include <cstdlib>

#include "base/io/daemon.h"
#include "deploy/cluster.h"
#include "deploy/single_process.h"

int main(int argc, char** argv) {
  baton::deploy::UpOptions options;
  if (const auto status = baton::deploy::parse_up_options(options, argc, argv)) return *status;
  if (const auto fine = baton::deploy::check_up_options(options); !fine) {
    return baton::report_failure("baton up", fine.error());
  }
  if (options.single_process) return baton::deploy::run_single_process(options);
  // Where there is none, as under `env -i`: mpirun does not find its own parts without it.
  ::setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 0);
  const baton::SystemClock clock;
  return baton::deploy::Cluster(options, clock).run();
}
