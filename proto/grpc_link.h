// The gRPC body of links: one bidirectional stream a link, over HTTP/2 connections that links to
// one address share.
//
// gRPC calls back on threads of its own; everything is posted to the executor, so the contract of
// link.h holds unchanged. A message over message_bytes_max takes its link down. What was sent
// before close() still goes out, for at most close_grace. A silent peer is noticed by keepalive
// pings. Links outlive their Connector; everything must be destroyed before the executor's context.
// Thread safety: as link.h.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "base/result.h"
#include "proto/grpc_options.h"
#include "proto/link.h"

namespace baton::rpc {

std::unique_ptr<Connector> grpc_connector(boost::asio::any_io_executor executor,
                                          const GrpcOptions& options);

// Listens on host:port (0: any free port) for the links whose acceptor is set, with the standard
// health service. Fails with unavailable if the port is taken, with invalid_argument if no acceptor
// is set. Destroying the Listener takes its
// links down and returns within close_grace or so.
Result<std::unique_ptr<Listener>> grpc_listen(boost::asio::any_io_executor executor,
                                              const std::string& host, uint16_t port,
                                              Acceptors acceptors, const GrpcOptions& options);

}  // namespace baton::rpc
