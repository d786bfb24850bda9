// The program baton-gateway: its options, and its life from listening to drained.
// Thread safety: main only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/gateway.h"
#include "server/http/listener.h"
#include "server/routes/router.h"

namespace baton::server {

struct GatewayProgramOptions {
  std::string model;
  std::string served_model_name;
  std::string scheduler = "127.0.0.1:7000";
  std::string host = "127.0.0.1";
  uint16_t port = 8000;
  std::string grpc_host;  // empty: host if that is loopback, else 127.0.0.1
  uint16_t grpc_port = 8001;
  std::string ports_file;
  std::string api_key;
  std::string api_key_file;
  uint32_t max_model_len = 0;
  unsigned work_threads = 1;
  uint32_t work_queue_max = 64;
  double deadline_s = 600;
  double drain_grace_s = 0;
  double drain_timeout_s = 120;
  std::string log_level = "info";
  RouterOptions router;
  GenerateLimits generate;
  http::ListenerLimits listener;
  GatewayLimits relay;
};

// The status to leave main with, or nothing to go on.
std::optional<int> parse_gateway_options(GatewayProgramOptions& options, int argc, char** argv);

// Serves until SIGTERM or SIGINT and the drain after it; the program's status.
int run_gateway(const GatewayProgramOptions& options);

}  // namespace baton::server
