#include "parallel/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>

namespace baton::parallel {

Result<Doorbell> Doorbell::create() {
  BATON_TRY(memory, Mapping::create_shared("baton-doorbell", sizeof(uint32_t)));
  return Doorbell(std::move(memory));
}

Result<Doorbell> Doorbell::open(const std::string& name) {
  BATON_TRY(memory, Mapping::open_shared(name, Mapping::Access::write));
  return Doorbell(std::move(memory));
}

uint32_t* Doorbell::number() { return reinterpret_cast<uint32_t*>(memory_.writable().data()); }

void Doorbell::ring() {
  std::atomic_ref(*number()).fetch_add(1, std::memory_order_release);
  ::syscall(SYS_futex, number(), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Doorbell::wait() {
  const std::atomic_ref rung(*number());
  // Woken for no reason, or by a signal, it sleeps again.
  while (rung.load(std::memory_order_acquire) == heard_) {
    ::syscall(SYS_futex, number(), FUTEX_WAIT, heard_, nullptr, nullptr, 0);
  }
  ++heard_;
}

}  // namespace baton::parallel
