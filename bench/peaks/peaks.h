// Peaks: what this machine can do at most: integer products, float32 multiply-adds, reading memory.
// Every figure of a benchmark stands beside the limit that follows from these.
//
// Each is measured by a kernel that does nothing else: 16 independent sums in registers, so that no
// latency shows (AMX has tiles for 6); reading is of memory far larger than the caches. Measured by
// some threads at once, the best of many short tries. Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <string>

#include "base/clock.h"
#include "base/system/thread_pool.h"
#include "model/kernels/kernels.h"

namespace baton::bench {

struct Peaks {
  double int8_ops = 0;    // a second: a product and its addition are two
  double fp32_flops = 0;  // a second
  double read_bytes = 0;  // a second
};

Peaks measure_peaks(const kernels::Kernels& kernels, ThreadPool& pool, const Clock& clock);

// The processor's name, its paths, threads and peaks, in some lines.
std::string describe_machine(const kernels::Kernels& kernels, unsigned threads, const Peaks& peaks);

}  // namespace baton::bench
