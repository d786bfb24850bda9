// baton-gateway: the front of the cluster: HTTP and gRPC for clients, links to the scheduler and to
// decode instances behind.
#include "base/io/daemon.h"
#include "server/gateway_program.h"

int main(int argc, char** argv) {
  baton::server::GatewayProgramOptions options;
  if (const auto status = baton::server::parse_gateway_options(options, argc, argv)) return *status;
  baton::end_with_parent();
  return baton::server::run_gateway(options);
}
