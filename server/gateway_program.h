// The program baton-gateway: its options, and its life from listening to drained.
//
// GatewayProgram is what the program's main wires; a process that plays every role wires it too,
// over its own links. Thread safety: one executor.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/gateway.h"
#include "server/http/listener.h"
#include "server/routes/router.h"
#include "server/secrets.h"

namespace baton::server {

struct GatewayProgramOptions {
  std::string model;
  std::string served_model_name;
  std::string chat_template;
  bool deepseek_temperature = false;
  std::string scheduler = "127.0.0.1:8100";
  std::string host = "127.0.0.1";
  uint16_t port = 8000;
  std::string grpc_host;  // empty: host if that is loopback or there is TLS, else 127.0.0.1
  uint16_t grpc_port = 8001;
  std::string ports_file;
  SecretFiles secrets;
  std::string cache_secret_file;
  std::string cache_secret;  // as the file holds, or given by a process that plays every role
  uint32_t max_model_len = 0;
  unsigned work_threads = 1;
  uint32_t work_queue_max = 64;
  double deadline_s = 600;
  double drain_grace_s = 5;
  double drain_timeout_s = 120;
  std::string log_level = "info";
  RouterOptions router;
  GenerateLimits generate;
  http::ListenerLimits listener;
  GatewayLimits relay;
};

// The status to leave main with, or nothing to go on.
std::optional<int> parse_gateway_options(GatewayProgramOptions& options, int argc, char** argv);

class GatewayProgram {
 public:
  // Loads the text side of the model. `connector` and `io` outlive it.
  static Result<std::unique_ptr<GatewayProgram>> create(boost::asio::io_context& io,
                                                        rpc::Connector& connector,
                                                        const GatewayProgramOptions& options);
  ~GatewayProgram();

  // Binds HTTP and gRPC and writes the ports file.
  Result<void> listen();
  // Readiness goes first; then, after the grace, admission; then what runs ends; then `stopped`.
  void drain(std::function<void()> stopped);
  // Keys and certificate are read again; changes of their files are seen without this too.
  void reload();
  bool ready() const;
  const std::string& http_address() const;  // host:port, once it listens

 private:
  class Parts;
  explicit GatewayProgram(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Serves until SIGTERM or SIGINT and the drain after it; the program's status.
int run_gateway(const GatewayProgramOptions& options);

}  // namespace baton::server
