// Doorbell: wakes the other ranks of an instance on one machine for a step; they sleep on it
// outside MPI, whose receives poll.
//
// A number in shared memory that only rank 0 raises; a rank sleeps while it is the one that it has
// seen last, so a ring that comes before the sleep is not lost. Costs nothing while nobody rings.
// Thread safety: ring() by one thread; wait() by one thread of each process.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/system/mapping.h"

namespace baton::parallel {

class Doorbell {
 public:
  static Result<Doorbell> create();
  static Result<Doorbell> open(const std::string& name);  // of one that rank 0 has created

  const std::string& name() const { return memory_.shared_name(); }
  void ring();
  // Sleeps until it has been rung more often than this rank has heard.
  void wait();

 private:
  explicit Doorbell(Mapping memory) : memory_(std::move(memory)) {}
  uint32_t* number();

  Mapping memory_;
  uint32_t heard_ = 0;
};

}  // namespace baton::parallel
