#include <cmath>

#include "base/system/options.h"
#include "server/gateway_program.h"

namespace baton::server {

namespace {

constexpr double kDay = 86'400;

// A time in seconds, or in parts of them.
void add_seconds_option(CLI::App& app, const std::string& flag, Duration& time, double least,
                        const std::string& help) {
  const auto set = [&time](double seconds) {
    time = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  };
  app.add_option_function<double>(flag, set, help)
      ->check(CLI::Range(least, kDay))
      ->check([](const std::string& text) {
        const bool number = !std::isnan(std::strtod(text.c_str(), nullptr));
        return number ? std::string() : text + " is not a number";
      })
      ->type_name("SECONDS")
      ->default_str(fmt::format("{:g}", to_seconds(time)));
}

void add_address_options(CLI::App& app, GatewayProgramOptions& o) {
  app.add_option("--scheduler", o.scheduler, "Address of the scheduler")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option("--host", o.host, "Address to serve HTTP on")->capture_default_str();
  app.add_option("--port", o.port, "Port for HTTP; 0: any free one")->capture_default_str();
  app.add_option(
      "--grpc-host", o.grpc_host,
      "Address to serve gRPC on [--host if that is loopback or there is TLS, else 127.0.0.1]");
  app.add_option("--grpc-port", o.grpc_port, "Port for gRPC; 0: any free one")
      ->capture_default_str();
  app.add_option("--ports-file", o.ports_file,
                 "Write the addresses really bound to this file, as JSON");
}

void add_access_options(CLI::App& app, GatewayProgramOptions& o) {
  app.add_option("--api-key-file", o.secrets.api_key_file,
                 "File of API keys, one a line or sha256:HEX; every path but liveness and "
                 "readiness then needs one. Read again when it changes, and at SIGHUP");
  app.add_option("--api-key", o.secrets.api_key,
                 "One API key; better given as BATON_API_KEY, since others can see flags");
  app.add_option("--tls-cert,--ssl-certfile", o.secrets.tls_certificate,
                 "PEM file of the certificate and its chain: HTTP and gRPC are then served over "
                 "TLS. Read again when it changes, and at SIGHUP")
      ->type_name("FILE");
  app.add_option("--tls-key,--ssl-keyfile", o.secrets.tls_key,
                 "PEM file of the certificate's key, not encrypted")
      ->type_name("FILE");
  app.add_option("--allowed-origin", o.router.allowed_origin,
                 "Web origins that browsers may call from (CORS), with commas between, or *");
  app.add_flag("--access-log", o.router.access_log, "Log each request, without its contents");
  app.add_option("--log-level", o.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
}

void add_request_limits(CLI::App& app, GatewayProgramOptions& o) {
  app.add_option("--max-model-len", o.max_model_len,
                 "Tokens of prompt and answer together [what the model was made for]");
  app.add_option("--max-n", o.generate.api.choices_max, "Choices of one request")
      ->check(CLI::Range(1, 128))
      ->capture_default_str();
  app.add_option("--max-prompts", o.generate.api.prompts_max, "Prompts of one text completion")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_flag("--strict-fields", o.generate.api.strict_fields,
               "Refuse fields of a request that nothing here knows, by name; else they are ignored "
               "and counted");
  app.add_option("--max-requests", o.relay.requests_max, "Requests under way at once")
      ->capture_default_str();
  app.add_option("--cache-secret-file", o.cache_secret_file,
                 "The prefill instances' file of that name: with it a prompt is sent to where its "
                 "prefix is kept [only load decides]")
      ->type_name("FILE");
  app.add_option("--max-attempts", o.relay.attempts_max, "Placements of one request")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--request-timeout", o.deadline_s, "Seconds for a request, queueing included")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_bytes_option(app, "--max-body", o.listener.connection.read.body_bytes_max,
                   "Bytes of a request's body");
  add_bytes_option(app, "--response-memory", o.generate.item_memory_bytes,
                   "Bytes of recent responses whose items a request may refer to by id");
  app.add_option("--tokenizer-threads", o.work_threads, "Threads that prepare large requests")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--tokenizer-queue", o.work_queue_max, "Large requests that may wait for them")
      ->capture_default_str();
}

void add_connection_limits(CLI::App& app, GatewayProgramOptions& o) {
  app.add_option("--max-connections", o.listener.connections_max, "Open client connections")
      ->capture_default_str();
  app.add_option("--max-connections-per-address", o.listener.connections_per_address_max,
                 "Open connections of one client address")
      ->capture_default_str();
  add_bytes_option(app, "--stream-buffer", o.listener.connection.stream_buffer_bytes_max,
                   "Unsent bytes of a stream before its reader is cut off");
  http::ConnectionLimits& connection = o.listener.connection;
  add_bytes_option(app, "--max-head", connection.read.head.head_bytes_max,
                   "Bytes of a request's line and header fields");
  add_seconds_option(app, "--head-timeout", connection.head_time, 0.1,
                     "Seconds for a request's head, and for a TLS handshake");
  add_seconds_option(app, "--idle-timeout", connection.idle_time, 1,
                     "Seconds that a connection is kept between requests");
  add_seconds_option(app, "--write-timeout", connection.write_stall, 1,
                     "Seconds in which a client must take a byte of what waits for it");
  add_seconds_option(app, "--stream-start", o.generate.quiet_start_max, 0.1,
                     "Seconds after which a stream begins without a token; until then a full "
                     "cluster can still be a 429");
  add_seconds_option(app, "--sse-ping-interval", connection.comment_after, 1,
                     "Seconds of silence before a comment keeps a stream alive; some benchmarks "
                     "take none below 15");
  app.add_option("--drain-grace", o.drain_grace_s,
                 "Seconds after SIGTERM in which new requests are still served, for balancers to "
                 "notice")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--drain-timeout", o.drain_timeout_s,
                 "Seconds after the grace for running requests to end")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

std::optional<int> parse_gateway_options(GatewayProgramOptions& options, int argc, char** argv) {
  CLI::App app{
      "baton-gateway: serves a model's HTTP API (OpenAI's) and gRPC API in front of a cluster."};
  app.add_option("--model", options.model, "Folder of the model: config, tokenizer, chat template")
      ->required()
      ->type_name("DIR");
  app.add_option("--served-model-name", options.served_model_name,
                 "Name that clients use, more behind commas [the folder's]");
  app.add_option("--chat-template", options.chat_template,
                 "File of a chat template to use instead of the model's own")
      ->type_name("FILE");
  app.add_flag("--deepseek-temperature-map", options.deepseek_temperature,
               "Map temperatures as DeepSeek's own API does: T x 0.3 up to 1, T - 0.7 above");
  add_address_options(app, options);
  add_access_options(app, options);
  add_request_limits(app, options);
  add_connection_limits(app, options);
  return parse_options(app, argc, argv);
}

}  // namespace baton::server
