// Event loops for tests of links: they run until a condition holds, with a guard against hanging.
// And options for crowded machines, where seconds may pass before a thread has its turn.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <utility>

#include "proto/grpc_options.h"

namespace baton::rpc::testing {

inline GrpcOptions patient() {
  GrpcOptions options;
  options.connect_timeout = 60s;
  options.keepalive_time = options.keepalive_timeout = 60s;
  return options;
}

// Runs the loop until `done`; fails the test after a guard time that no sane run comes near.
inline void run_until(boost::asio::io_context& io, const std::function<bool()>& done) {
  io.restart();
  const auto keep = boost::asio::make_work_guard(io);
  for (int turn = 0; turn < 6000 && !done(); ++turn) io.run_one_for(std::chrono::milliseconds(10));
  ASSERT_TRUE(done()) << "the guard time is over";
}

// Runs what is ready and what becomes ready within a moment: for "nothing more comes".
inline void settle(boost::asio::io_context& io) {
  io.restart();
  const auto keep = boost::asio::make_work_guard(io);
  for (int turn = 0; turn < 20; ++turn) io.run_one_for(std::chrono::milliseconds(10));
}

}  // namespace baton::rpc::testing
