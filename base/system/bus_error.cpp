#include "base/system/bus_error.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace baton {

namespace {

// All of this runs in a signal handler: nothing may allocate, lock or use standard streams.

// Lines of /proc/self/maps, one at a time; a longer line's rest is dropped.
class MapLines {
 public:
  MapLines() : fd_(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~MapLines() {
    if (fd_ >= 0) ::close(fd_);
  }
  MapLines(const MapLines&) = delete;
  MapLines& operator=(const MapLines&) = delete;

  // The next line, ended by a zero; null at the end.
  const char* next() {
    size_t length = 0;
    for (;;) {
      if (at_ == filled_) {
        const ssize_t got = fd_ < 0 ? 0 : ::read(fd_, buffer_, sizeof(buffer_));
        if (got <= 0) return nullptr;
        at_ = 0;
        filled_ = static_cast<size_t>(got);
      }
      const char c = buffer_[at_++];
      if (c == '\n') break;
      if (length + 1 < sizeof(line_)) line_[length++] = c;
    }
    line_[length] = 0;
    return line_;
  }

 private:
  int fd_;
  size_t at_ = 0;
  size_t filled_ = 0;
  char buffer_[1024];
  char line_[1024];
};

const char* read_hex(const char* text, uintptr_t& value) {
  value = 0;
  for (;; ++text) {
    if (*text >= '0' && *text <= '9') {
      value = value * 16 + static_cast<uintptr_t>(*text - '0');
    } else if (*text >= 'a' && *text <= 'f') {
      value = value * 16 + static_cast<uintptr_t>(*text - 'a' + 10);
    } else {
      return text;
    }
  }
}

// The path of the file that is mapped at `address`, in the line that says so; null: none.
const char* mapped_file(MapLines& lines, uintptr_t address) {
  while (const char* line = lines.next()) {
    uintptr_t begin = 0, end = 0;
    const char* rest = read_hex(line, begin);
    if (*rest != '-') continue;
    read_hex(rest + 1, end);
    if (address >= begin && address < end) return std::strchr(line, '/');
  }
  return nullptr;
}

void say(const char* text) {
  for (size_t left = std::strlen(text); left > 0;) {
    const ssize_t written = ::write(STDERR_FILENO, text, left);
    if (written <= 0) return;
    text += written;
    left -= static_cast<size_t>(written);
  }
}

void on_bus_error(int, siginfo_t* info, void*) {
  MapLines lines;
  const bool has_address = info->si_code > 0;  // else somebody sent the signal
  const char* path =
      has_address ? mapped_file(lines, reinterpret_cast<uintptr_t>(info->si_addr)) : nullptr;
  if (path == nullptr) {
    ::signal(SIGBUS, SIG_DFL);
    ::raise(SIGBUS);  // held back until this returns
    return;
  }
  say("baton: ");
  say(path);
  say(" was cut short or can't be read any more while it was in use; restore it and start "
      "again.\n");
  ::_exit(1);
}

}  // namespace

void explain_bus_errors() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace baton
