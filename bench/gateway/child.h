// Child: a server in a process of its own, kept to core 0, for as long as the object lives.
// Thread: made, asked and destroyed by one thread, the only one of its process while it is made.
#pragma once

#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>

namespace baton::bench {

void keep_to_core(int core);  // this thread, and those that it starts

class Child {
 public:
  using Listening = std::function<void(uint16_t port)>;
  // In the child: makes a server, says its port, and runs `io` until that is stopped from outside.
  using Serve = std::function<void(boost::asio::io_context& io, const Listening& listening)>;

  explicit Child(const Serve& serve);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  uint16_t port() const { return port_; }  // 0: it could not start, and has said why
  double cpu_s() const;                    // that it has taken so far

 private:
  pid_t process_ = 0;
  int control_ = -1;  // closed: it ends
  uint16_t port_ = 0;
};

}  // namespace baton::bench
