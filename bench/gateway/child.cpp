#include "bench/gateway/child.h"

#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>

#include "base/result.h"

namespace baton::bench {

namespace asio = boost::asio;

void keep_to_core(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

Child::Child(const Serve& serve) {
  int told[2], control[2];
  check(::pipe(told) == 0 && ::pipe(control) == 0, "there are pipes");
  process_ = ::fork();
  check(process_ >= 0, "a process can be started");
  if (process_ == 0) {
    ::close(told[0]);
    ::close(control[1]);
    keep_to_core(0);
    asio::io_context io{1};
    asio::posix::stream_descriptor end(io, control[0]);
    char byte = 0;
    asio::async_read(end, asio::buffer(&byte, 1), [&io](auto, size_t) { io.stop(); });
    serve(io, [&](uint16_t port) {
      check(::write(told[1], &port, sizeof port) == sizeof port, "the parent reads");
    });
    std::_Exit(0);
  }
  ::close(told[1]);
  ::close(control[0]);
  control_ = control[1];
  if (::read(told[0], &port_, sizeof port_) != sizeof port_) port_ = 0;
  ::close(told[0]);
}

Child::~Child() {
  ::close(control_);
  int status = 0;
  ::waitpid(process_, &status, 0);
}

double Child::cpu_s() const {
  clockid_t clock{};
  timespec used{};
  const bool known =
      ::clock_getcpuclockid(process_, &clock) == 0 && ::clock_gettime(clock, &used) == 0;
  check(known, "the child is there");
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

}  // namespace baton::bench
