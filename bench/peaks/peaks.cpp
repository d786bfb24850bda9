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
PeakKernels amx_peaks();
#endif

namespace {

constexpr size_t kReadBytes = size_t{512} << 20;  // of all threads together
constexpr size_t kPieceBytes = size_t{16} << 20;  // of it, timed at once
// Short tries, so that some of them run undisturbed where other programs want the processors too.
constexpr int kTries = 40;

PeakKernels peak_kernels(kernels::Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case kernels::Isa::avx2:
      return kAvx2Peaks;
    case kernels::Isa::avx512:
      return kAvx512Peaks;
    case kernels::Isa::avx512_vnni:
      return kVnniPeaks;
    case kernels::Isa::amx:
      return amx_peaks();
#endif
    default:
      return kPortablePeaks;
  }
}

// The best rate of a loop that each thread of the pool does once a try.
template <class Body>
double best_rate(ThreadPool& pool, const Clock& clock, int tries, double amount, Body&& body) {
  double best = 0;
  for (int t = 0; t < tries; ++t) {
    const Instant began = clock.now();
    pool.run(pool.size(), [&](size_t i, unsigned) { body(i, static_cast<size_t>(t)); });
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

Peaks measure_peaks(const kernels::Kernels& kernels, ThreadPool& pool, const Clock& clock) {
  const PeakKernels peak = peak_kernels(kernels.isa);
  constexpr size_t kRounds = 200'000;
  const auto threads = static_cast<double>(pool.size());
  Peaks peaks;
  peaks.int8_ops =
      best_rate(pool, clock, kTries, threads * static_cast<double>(peak.int8_ops * kRounds),
                [&](size_t, size_t) { peak.int8(kRounds); });
  peaks.fp32_flops =
      best_rate(pool, clock, kTries, threads * static_cast<double>(peak.fp32_flops * kRounds),
                [&](size_t, size_t) { peak.fp32(kRounds); });
  auto memory = Mapping::anonymous(kReadBytes).value();
  std::memset(memory.writable().data(), 1, kReadBytes);
  constexpr size_t kPieces = kReadBytes / kPieceBytes;
  const size_t share = kPieceBytes / pool.size() / 4096 * 4096;
  peaks.read_bytes = best_rate(
      pool, clock, 3 * kPieces, threads * static_cast<double>(share), [&](size_t i, size_t t) {
        peak.read(memory.bytes().data() + t % kPieces * kPieceBytes + i * share, share);
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
