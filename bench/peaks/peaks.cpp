#include "bench/peaks/peaks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>

#include "base/system/cpu.h"
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
constexpr size_t kPieces = kReadBytes / kPieceBytes;
// Short tries, so that some of them run undisturbed where other programs want the processors too.
constexpr size_t kRounds = 50'000;
constexpr int kTries = 100;
constexpr int kPresentTries = 6;

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

PeakMeter::PeakMeter(ThreadPool& pool, const Clock& clock)
    : pool_(pool), clock_(clock), memory_(Mapping::anonymous(kReadBytes).value()) {
  std::memset(memory_.writable().data(), 1, kReadBytes);
}

Peaks PeakMeter::best(const kernels::Kernels& kernels) { return measure(kernels, kTries); }
Peaks PeakMeter::present(const kernels::Kernels& kernels) {
  return measure(kernels, kPresentTries);
}

Peaks PeakMeter::measure(const kernels::Kernels& kernels, int tries) {
  const PeakKernels peak = peak_kernels(kernels.isa);
  const auto threads = static_cast<double>(pool_.size());
  const auto rate = [&](size_t ops, void (*kernel)(size_t)) {
    const double amount = threads * static_cast<double>(ops * kRounds);
    return best_rate(pool_, clock_, tries, amount, [&](size_t, size_t) { kernel(kRounds); });
  };
  Peaks peaks;
  peaks.int8_ops = rate(peak.int8_ops, peak.int8);
  peaks.fp32_flops = rate(peak.fp32_flops, peak.fp32);
  const size_t share = kPieceBytes / pool_.size() / 4096 * 4096;
  peaks.read_bytes = best_rate(
      pool_, clock_, 2 * tries, threads * static_cast<double>(share), [&](size_t i, size_t t) {
        const size_t piece = (next_piece_ + t) % kPieces;
        peak.read(memory_.bytes().data() + piece * kPieceBytes + i * share, share);
      });
  next_piece_ += 2 * static_cast<size_t>(tries);
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
