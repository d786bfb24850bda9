#include "bench/peaks/peaks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>

#include "base/clock.h"
#include "base/system/cpu.h"
#include "base/system/mapping.h"
#include "bench/peaks/peak_kernels.h"

namespace baton::bench {

extern const PeakKernels kPortablePeaks;
#if defined(__x86_64__)
extern const PeakKernels kAvx2Peaks;
extern const PeakKernels kAvx512Peaks;
extern const PeakKernels kVnniPeaks;
#endif

namespace {

constexpr size_t kReadBytes = size_t{512} << 20;  // of all threads together
constexpr int kTries = 5;

// AMX is compared with VNNI, whose peak it may exceed.
const PeakKernels& peak_kernels(kernels::Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case kernels::Isa::avx2:
      return kAvx2Peaks;
    case kernels::Isa::avx512:
      return kAvx512Peaks;
    case kernels::Isa::avx512_vnni:
    case kernels::Isa::amx:
      return kVnniPeaks;
#endif
    default:
      return kPortablePeaks;
  }
}

// The best rate of a loop that each thread of the pool does once.
template <class Body>
double best_rate(ThreadPool& pool, double amount, Body&& body) {
  const SystemClock clock;
  double best = 0;
  for (int t = 0; t < kTries; ++t) {
    const Instant began = clock.now();
    pool.run(pool.size(), [&](size_t i, unsigned) { body(i); });
    const std::chrono::duration<double> took = clock.now() - began;
    best = std::max(best, amount / took.count());
  }
  return best;
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace

Peaks measure_peaks(const kernels::Kernels& kernels, ThreadPool& pool) {
  const PeakKernels& peak = peak_kernels(kernels.isa);
  constexpr size_t kRounds = 1'000'000;
  const auto threads = static_cast<double>(pool.size());
  Peaks peaks;
  peaks.int8_ops = best_rate(pool, threads * static_cast<double>(peak.int8_ops * kRounds),
                             [&](size_t) { peak.int8(kRounds); });
  peaks.fp32_flops = best_rate(pool, threads * static_cast<double>(peak.fp32_flops * kRounds),
                               [&](size_t) { peak.fp32(kRounds); });
  auto memory = Mapping::anonymous(kReadBytes).value();
  std::memset(memory.writable().data(), 1, kReadBytes);
  const size_t share = kReadBytes / pool.size() / 4096 * 4096;
  peaks.read_bytes = best_rate(pool, threads * static_cast<double>(share), [&](size_t i) {
    peak.read(memory.bytes().data() + i * share, share);
  });
  return peaks;
}

std::string describe_machine(const kernels::Kernels& kernels, unsigned threads,
                             const Peaks& peaks) {
  return fmt::format(
      "{}; {} ({}), {} thread{}\npeaks: {:.0f} GOP/s INT8, {:.0f} GFLOP/s FP32, {:.1f} GB/s read\n",
      processor_name(), describe(cpu_features()), kernels.int8->name, threads,
      threads == 1 ? "" : "s", peaks.int8_ops * 1e-9, peaks.fp32_flops * 1e-9,
      peaks.read_bytes * 1e-9);
}

}  // namespace baton::bench
