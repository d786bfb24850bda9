// baton-up: a local cluster of daemons in the foreground.
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
  const baton::SystemClock clock;
  return baton::deploy::Cluster(options, clock).run();
}
