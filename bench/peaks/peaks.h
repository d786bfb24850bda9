// Peaks: what this machine can do at most: integer products, float32 multiply-adds, reading memory.
// Every figure of a benchmark stands beside the limit that follows from these.
//
// Each is measured by a kernel that does nothing else: 16 independent sums in registers, so that no
// latency shows (AMX has tiles for 6); reading is of memory far larger than the caches. Measured by
// some threads at once, the best of short tries: of many, or of a few beside a figure, where other
// programs take a part of the machine that changes from second to second.
// Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <string>

#include "base/clock.h"
#include "base/system/mapping.h"
#include "base/system/thread_pool.h"
#include "model/kernels/kernels.h"

namespace baton::bench {

struct Peaks {
  double int8_ops = 0;    // a second: a product and its addition are two
  double fp32_flops = 0;  // a second
  double read_bytes = 0;  // a second
};

class PeakMeter {
 public:
  // All of these must outlive it.
  PeakMeter(ThreadPool& pool, const Clock& clock);
  Peaks best(const kernels::Kernels& kernels);     // about a second
  Peaks present(const kernels::Kernels& kernels);  // some tens of milliseconds

 private:
  Peaks measure(const kernels::Kernels& kernels, int tries);

  ThreadPool& pool_;
  const Clock& clock_;
  Mapping memory_;
  size_t next_piece_ = 0;  // so that none is in a cache when its turn comes again
};

// The processor's name, its paths, threads and peaks, in some lines.
std::string describe_machine(const kernels::Kernels& kernels, unsigned threads, const Peaks& peaks);

}  // namespace baton::bench
