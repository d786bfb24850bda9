#include "proto/grpc_internal.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server_builder.h>

namespace baton::rpc {

namespace {

// Linking gRPC's reflection library adds it to every server of the process; this takes it from one.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins,
                  [](const auto& plugin) { return plugin->name() == "proto_server_reflection"; });
  }
};

// What these libraries would print comes back as a Result too, and standard error is for our own
// log; only their last words before an abort are let through.
void quiet_libraries() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    if (std::string_view(line->message).starts_with("assertion failed"))
      std::fprintf(stderr, "gRPC: %s (%s:%d)\n", line->message, line->file, line->line);
  });
  google::protobuf::SetLogHandler(nullptr);
}

// gRPC ends its callback threads with the last channel. A stream ends on such a thread and may hold
// the last channel: the thread would then wait for itself. So one channel, which leads nowhere,
// stays for the life of the process; a call on it makes it hold the threads.
void keep_callback_threads() {
  struct Call {
    grpc::ClientContext context;
    grpc::Slice nothing;
    grpc::ByteBuffer request{&nothing, 1};
    grpc::ByteBuffer response;
  };
  // Volatile, so that it is really kept: a leak checker must find it.
  static const auto* volatile nowhere = new std::shared_ptr<grpc::Channel>([] {
    auto channel = grpc::CreateChannel("nowhere", nullptr);
    auto call = std::make_shared<Call>();
    grpc::GenericStub(channel).UnaryCall(&call->context, "/none", {}, &call->request,
                                         &call->response, [call](const grpc::Status&) {});
    return channel;
  }());
  (void)nowhere;
}

int milliseconds(Duration span) { return static_cast<int>(to_ms(span)); }

// Keepalive is the same from both sides.
template <class Add>
void add_keepalive(const GrpcOptions& options, Add add) {
  add(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(options.keepalive_time));
  add(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(options.keepalive_timeout));
  add(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  add(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

constexpr unsigned kCertificatePoll_s = 1;

std::shared_ptr<grpc::ServerCredentials> server_credentials(const GrpcOptions& options) {
  if (options.tls_certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::experimental::TlsServerCredentialsOptions tls(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
          options.tls_key, options.tls_certificate, kCertificatePoll_s));
  tls.watch_identity_key_cert_pairs();
  tls.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(tls);
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const GrpcOptions& options) {
  if (options.tls_roots.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = options.tls_roots;
  return grpc::SslCredentials(tls);
}

}  // namespace

grpc::Status to_status(const Error& error) {
  const auto code = [&] {
    switch (error.code) {
      case ErrorCode::invalid_argument:
        return grpc::StatusCode::INVALID_ARGUMENT;
      case ErrorCode::not_found:
        return grpc::StatusCode::NOT_FOUND;
      case ErrorCode::unsupported:
        return grpc::StatusCode::UNIMPLEMENTED;
      case ErrorCode::corrupt:
        return grpc::StatusCode::DATA_LOSS;
      case ErrorCode::resource_exhausted:
        return grpc::StatusCode::RESOURCE_EXHAUSTED;
      case ErrorCode::unavailable:
        return grpc::StatusCode::UNAVAILABLE;
      case ErrorCode::deadline_exceeded:
        return grpc::StatusCode::DEADLINE_EXCEEDED;
      case ErrorCode::cancelled:
        return grpc::StatusCode::CANCELLED;
      case ErrorCode::internal:
        break;
    }
    return grpc::StatusCode::INTERNAL;
  }();
  return {code, error.message};
}

Error to_error(const grpc::Status& status, const std::string& address) {
  const auto code = [&] {
    switch (status.error_code()) {
      case grpc::StatusCode::INVALID_ARGUMENT:
      case grpc::StatusCode::UNAUTHENTICATED:  // the caller's mistake too; the sentence says which
        return ErrorCode::invalid_argument;
      case grpc::StatusCode::NOT_FOUND:
        return ErrorCode::not_found;
      case grpc::StatusCode::UNIMPLEMENTED:
        return ErrorCode::unsupported;
      case grpc::StatusCode::DATA_LOSS:
        return ErrorCode::corrupt;
      case grpc::StatusCode::RESOURCE_EXHAUSTED:
        return ErrorCode::resource_exhausted;
      case grpc::StatusCode::OK:  // the stream has ended as it should: the peer is gone for us
      case grpc::StatusCode::UNAVAILABLE:
        return ErrorCode::unavailable;
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        return ErrorCode::deadline_exceeded;
      case grpc::StatusCode::CANCELLED:
        return ErrorCode::cancelled;
      default:
        return ErrorCode::internal;
    }
  }();
  if (status.ok()) return fail(code, "The peer closed the link.");
  if (code == ErrorCode::unavailable)
    return fail(code, "{} can't be reached: {}", address, status.error_message());
  return fail(code, "{}", status.error_message());
}

gpr_timespec after(Duration span) { return gpr_time_from_nanos(span.count(), GPR_TIMESPAN); }

std::shared_ptr<grpc::Channel> open_channel(const std::string& address,
                                            const GrpcOptions& options) {
  quiet_libraries();
  keep_callback_threads();
  grpc::ChannelArguments arguments;
  add_keepalive(options, [&](const char* name, int value) { arguments.SetInt(name, value); });
  const int bytes_max = static_cast<int>(options.message_bytes_max);
  arguments.SetMaxReceiveMessageSize(bytes_max);
  arguments.SetMaxSendMessageSize(bytes_max);
  // The name of this argument misleads: it is the time that one attempt to connect may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds(options.connect_timeout));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, milliseconds(options.reconnect_min));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, milliseconds(options.reconnect_max));
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // daemons are reached directly
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return grpc::CreateCustomChannel(address, channel_credentials(options), arguments);
}

Result<StartedServer> start_server(const std::string& host, uint16_t port,
                                   const std::vector<grpc::Service*>& services,
                                   const GrpcOptions& options) {
  quiet_libraries();
  grpc::EnableDefaultHealthCheckService(true);
  // Does nothing but name the library: the linker drops one that nobody names.
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  add_keepalive(options,
                [&](const char* name, int value) { builder.AddChannelArgument(name, value); });
  // Peers ping as often as we do; the default would cut them off for it.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             milliseconds(options.keepalive_time) / 2);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(options.streams_max));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a taken port is an error
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
  builder.SetMaxSendMessageSize(static_cast<int>(options.message_bytes_max));
  if (!options.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  for (auto* service : services) builder.RegisterService(service);
  int bound = 0;
  builder.AddListeningPort(fmt::format("{}:{}", host, port), server_credentials(options), &bound);
  auto server = builder.BuildAndStart();
  if (!server || bound == 0) {
    return fail(ErrorCode::unavailable,
                "{}:{} can't be listened on: choose a free port and an address of this machine.",
                host, port);
  }
  return StartedServer{std::move(server), fmt::format("{}:{}", host, bound)};
}

}  // namespace baton::rpc
