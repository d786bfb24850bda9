// kernels_bench: each kernel of each path that this processor has, beside its share of the roofline
// that the peaks make: the time that its operations or its bytes must take at least, over the time
// that it took. The peaks are measured just before and just after each figure, by one thread and
// its processor time in peaks and figures alike, so that other programs of the machine show as
// little as can be; a median of `--benchmark_repetitions` hides more of them.
//
// `GOP/s` counts a product and its addition as two; `GB/s` what comes from memory, which is far
// more than the caches hold (a large weight has copies that take turns), or nothing where the
// operands stay in them.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdio>

#include "base/hash/counter_rng.h"
#include "bench/peaks/peaks.h"
#include "model/kernels/int8/int8_rows.h"
#include "model/kernels/matmul.h"

namespace baton::bench {
namespace {

using kernels::Isa;
using kernels::Kernels;
using kernels::PanelForm;

// What this thread has had of its processor.
class ProcessorTime final : public Clock {
 public:
  Instant now() const override {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
  int64_t unix_seconds() const override { return 0; }
};

constexpr size_t kFromMemoryBytes = size_t{512} << 20;  // of what must come from memory, at least
constexpr size_t kLargeValues = size_t{1} << 26;        // of a weight that must

// So many of a large weight that none is in a cache when its turn comes again.
size_t copies_of(size_t values, size_t bytes) {
  return values < kLargeValues ? 1 : (kFromMemoryBytes + bytes - 1) / bytes;
}

struct Work {
  double int8_ops = 0;
  double fp32_flops = 0;
  double bytes = 0;
};

std::vector<float> random_values(size_t count) {
  SeededRandom random(7);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.below(2001)) / 1000 - 1;
  return values;
}

const ProcessorTime kTime;

struct Path {
  const Kernels* kernels;
  PeakMeter* meter;
};

// What the work of one iteration must take at least.
double limit_seconds(const Work& work, const Peaks& before, const Peaks& after) {
  const auto cost = [](double amount, double rate, double later) {
    return amount / ((rate + later) / 2);
  };
  return std::max(cost(work.bytes, before.read_bytes, after.read_bytes),
                  cost(work.int8_ops, before.int8_ops, after.int8_ops) +
                      cost(work.fp32_flops, before.fp32_flops, after.fp32_flops));
}

// Runs the iterations and reports what they did, and the share of what they could have done.
template <class Body>
void run(benchmark::State& state, const Path& path, const Work& work, Body&& body) {
  const Peaks before = path.meter->present(*path.kernels);
  const Instant began = kTime.now();
  for (auto _ : state) body();
  const std::chrono::duration<double> took = kTime.now() - began;
  const double each = took.count() / static_cast<double>(state.iterations());
  const double ops = work.int8_ops + work.fp32_flops;
  if (ops != 0) state.counters["GOP/s"] = ops / each * 1e-9;
  if (work.bytes != 0) state.counters["GB/s"] = work.bytes / each * 1e-9;
  state.counters["share_%"] =
      100 * limit_seconds(work, before, path.meter->present(*path.kernels)) / each;
}

struct Product {
  size_t rows, weights, cols;
};

// Quantised rows times a packed weight, from panel to panel.
void packed_products(benchmark::State& state, const Path& path, PanelForm form, Product size) {
  const Kernels& k = *path.kernels;
  const kernels::PanelShape shape{size.weights, size.cols, 0, 1, form};
  const size_t copies = copies_of(size.weights * size.cols, shape.bytes());
  std::vector<std::byte> packed(copies * shape.bytes());
  const kernels::Panels panels(shape, packed.data());
  const auto w = random_values(kernels::kInt8PanelRows * size.cols);
  pack_panel(k, shape, w, packed.data());
  for (size_t p = 1; p < copies * panels.panels(); ++p) {
    std::copy_n(packed.data(), panels.stride(), packed.data() + p * panels.stride());
  }
  const auto x = random_values(size.rows * size.cols);
  kernels::Int8Buffer in(int8_size(size.rows, shape.contraction()));
  in.shape(shape.contraction(), size.rows);
  for (size_t r = 0; r < size.rows; ++r) in.quantize(k, r, x.data() + r * size.cols);
  std::vector<float> out(size.rows * size.weights);
  const auto products = static_cast<double>(size.rows * size.weights * size.cols);
  const Work work{.int8_ops = 2 * products,
                  .bytes = copies > 1 ? static_cast<double>(shape.bytes()) : 0};
  size_t turn = 0;
  run(state, path, work, [&] {
    const kernels::Panels copy(shape, packed.data() + turn * shape.bytes());
    multiply_panels(k, in.rows(), size.rows, copy, 0, copy.panels(), out.data(), size.weights);
    benchmark::DoNotOptimize(out.data());
    turn = (turn + 1) % copies;
  });
}

// Rows times a stored BF16 weight, in the canonical order.
void stored_products(benchmark::State& state, const Path& path, Product size) {
  const size_t values = size.weights * size.cols;
  const size_t copies = copies_of(values, 2 * values);
  const std::vector<uint16_t> halves(copies * values, 0x3f81);
  const auto x = random_values(size.rows * size.cols);
  std::vector<float> scratch(kernels::panel_floats(size.cols));
  std::vector<float> out(size.rows * size.weights);
  const auto products = static_cast<double>(size.rows * size.weights * size.cols);
  const Work work{.fp32_flops = 2 * products,
                  .bytes = copies > 1 ? 2 * static_cast<double>(values) : 0};
  size_t turn = 0;
  run(state, path, work, [&] {
    const kernels::Matrix matrix(kernels::Format::bf16,
                                 reinterpret_cast<const std::byte*>(halves.data() + turn * values),
                                 size.weights, size.cols);
    multiply_rows(*path.kernels, {x.data(), size.cols, nullptr}, size.rows, matrix, 0, size.weights,
                  1, scratch, out.data(), size.weights);
    benchmark::DoNotOptimize(out.data());
    turn = (turn + 1) % copies;
  });
}

// Prefill: a block of 64 positions for a tile of 32 rows: scores, softmax, what they weigh.
void attention_prefill(benchmark::State& state, const Path& path) {
  constexpr size_t kBlock = kernels::kTilePositions;
  constexpr size_t kLanes = kernels::kTileLanes;
  constexpr size_t kDepth = 192;
  constexpr size_t kWidth = 128;
  const auto& k = *path.kernels->tiles;
  const auto keys = random_values(kBlock * kDepth);
  const auto values = random_values(kBlock * kWidth);
  const auto queries = random_values(kDepth * kLanes);
  std::vector<float> scores(kBlock * kLanes);
  std::vector<float> max(kLanes, kernels::kNoScore), sum(kLanes), correction(kLanes);
  std::vector<float> out(kWidth * kLanes);
  const Work work{.fp32_flops = 2.0 * static_cast<double>(kBlock * kLanes * (kDepth + kWidth))};
  run(state, path, work, [&] {
    k.scores({{keys.data(), kBlock, kDepth}, kLanes, queries.data(), scores.data()});
    k.softmax({scores.data(), kBlock, kLanes, nullptr, max.data(), sum.data(), correction.data()});
    k.values(
        {{values.data(), kBlock, kWidth}, kLanes, scores.data(), correction.data(), out.data()});
    benchmark::DoNotOptimize(out.data());
  });
}

// Decode: cached blocks of 64 positions, from memory, for lanes of (row, head).
void attention_decode(benchmark::State& state, const Path& path, size_t lanes, size_t codes) {
  constexpr size_t kBlock = kernels::kTilePositions;
  constexpr size_t kLanes = kernels::kTileLanes;
  constexpr size_t kEntry = 576;
  constexpr size_t kLatent = 512;
  const auto& k = *path.kernels->tiles;
  const size_t tiles = (lanes + kLanes - 1) / kLanes;
  const size_t bytes = kBlock * (codes + codes / kernels::kCodeGroup * 4 + 2 * (kEntry - codes));
  const size_t copies = kFromMemoryBytes / bytes;
  const std::vector<uint8_t> stored(copies * bytes, 0x3c);
  const auto block = [&](size_t turn) { return stored.data() + turn % copies * bytes; };
  const auto queries = random_values(tiles * kEntry * kLanes);
  std::vector<float> scores(tiles * kBlock * kLanes);
  std::vector<float> max(tiles * kLanes, kernels::kNoScore), sum(tiles * kLanes);
  std::vector<float> correction(tiles * kLanes), out(tiles * kLatent * kLanes);
  const Work work{.fp32_flops = 2.0 * static_cast<double>(kBlock * lanes * (kEntry + kLatent)),
                  .bytes = static_cast<double>(bytes)};
  kernels::TileEntries entries{{nullptr, kBlock, kEntry, codes}, nullptr, tiles, {}, {}};
  std::fill_n(entries.lanes, tiles, std::min(lanes, kLanes));
  std::fill_n(entries.seen, tiles, kBlock);
  size_t turn = 0;
  run(state, path, work, [&] {
    entries.block.data = block(turn);
    entries.next = block(++turn);
    k.entry_scores({entries, queries.data(), scores.data()});
    for (size_t tile = 0; tile < tiles; ++tile) {
      const size_t at = tile * kLanes;
      k.softmax({scores.data() + at * kBlock, kBlock, entries.lanes[tile], nullptr, max.data() + at,
                 sum.data() + at, correction.data() + at});
    }
    k.entry_values({entries, kLatent, scores.data(), correction.data(), out.data()});
    benchmark::DoNotOptimize(out.data());
  });
}

// A kernel of one row, over rows that come from memory.
template <class Body>
void rows_of(benchmark::State& state, const Path& path, size_t cols, Body&& body) {
  std::vector<float> x(kFromMemoryBytes / sizeof(float) / cols * cols, 0.5f);
  run(state, path, {.bytes = static_cast<double>(x.size() * sizeof(float))}, [&] {
    for (size_t at = 0; at < x.size(); at += cols) body(*path.kernels, x.data() + at, cols);
  });
}

void quantise(benchmark::State& state, const Path& path) {
  const kernels::Contraction contraction{1, 2048};
  kernels::Int8Buffer buffer(int8_size(1, contraction));
  buffer.shape(contraction, 1);
  rows_of(state, path, 2048, [&](const Kernels& k, const float* x, size_t) {
    buffer.quantize(k, 0, x);
    benchmark::DoNotOptimize(buffer);
  });
}

void rms_norm(benchmark::State& state, const Path& path) {
  const std::vector<float> weight(2048, 1.0f);
  std::vector<float> out(2048);
  rows_of(state, path, 2048, [&](const Kernels& k, const float* x, size_t n) {
    k.rms_norm(x, weight.data(), n, 1e-6f, out.data());
    benchmark::DoNotOptimize(out.data());
  });
}

void silu_mul(benchmark::State& state, const Path& path) {
  std::vector<float> gate(2048, 0.3f);
  rows_of(state, path, 2048, [&](const Kernels& k, const float* x, size_t n) {
    k.silu_mul(gate.data(), x, n);
    benchmark::DoNotOptimize(gate.data());
  });
}

void store_entry(benchmark::State& state, const Path& path, size_t codes) {
  std::vector<uint8_t> out(2 * 576);
  rows_of(state, path, 576, [&](const Kernels& k, const float* x, size_t n) {
    k.tiles->store_entry(x, n, codes, out.data());
    benchmark::DoNotOptimize(out.data());
  });
}

void vocabulary(benchmark::State& state, const Path& path) {
  rows_of(state, path, 129280, [&](const Kernels& k, const float* x, size_t n) {
    benchmark::DoNotOptimize(log_sum_exp(k, x, n));
  });
}

template <class Body>
void add(const Path& path, const std::string& name, Body&& body) {
  benchmark::RegisterBenchmark(fmt::format("{}/{}", name, to_string(path.kernels->isa)).c_str(),
                               std::forward<Body>(body))
      ->Unit(benchmark::kMicrosecond);
}

void add_path(const Path& path) {
  // An expert of the standard checkpoint, and weights that come from memory.
  for (const Product size : {Product{1, 65536, 1024}, Product{1, 512, 1024}, Product{16, 512, 1024},
                             Product{48, 512, 1024}, Product{512, 512, 1024}}) {
    const std::string text = fmt::format("{}x{}x{}", size.rows, size.weights, size.cols);
    for (const auto& [name, form] :
         {std::pair{"int8", PanelForm::int8}, std::pair{"int4", PanelForm::int4}}) {
      add(path, fmt::format("products_{}/{}", name, text),
          [=](benchmark::State& s) { packed_products(s, path, form, size); });
    }
    if (path.kernels->isa > Isa::avx512) continue;
    add(path, fmt::format("products_bf16/{}", text),
        [=](benchmark::State& s) { stored_products(s, path, size); });
  }
  add(path, "quantise", [=](benchmark::State& s) { quantise(s, path); });
  if (path.kernels->isa > Isa::avx512) return;  // what follows is that of AVX-512
  add(path, "attention_prefill", [=](benchmark::State& s) { attention_prefill(s, path); });
  for (const size_t lanes : {16, 32, 128}) {
    add(path, fmt::format("attention_decode/{}", lanes),
        [=](benchmark::State& s) { attention_decode(s, path, lanes, 0); });
    add(path, fmt::format("attention_decode_fp8/{}", lanes),
        [=](benchmark::State& s) { attention_decode(s, path, lanes, 512); });
  }
  add(path, "rms_norm", [=](benchmark::State& s) { rms_norm(s, path); });
  add(path, "silu_mul", [=](benchmark::State& s) { silu_mul(s, path); });
  for (const auto& [name, codes] : {std::pair{"bf16", 0}, std::pair{"fp8", 512}}) {
    add(path, fmt::format("store_entry_{}", name),
        [=](benchmark::State& s) { store_entry(s, path, static_cast<size_t>(codes)); });
  }
  add(path, "log_sum_exp", [=](benchmark::State& s) { vocabulary(s, path); });
}

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  ThreadPool alone(1);
  PeakMeter meter(alone, kTime);
  for (unsigned isa = 0; isa < kernels::kIsas; ++isa) {
    const Kernels* found = kernels::kernels_for(static_cast<Isa>(isa));
    if (found == nullptr) continue;
    fmt::print(stderr, "{}", describe_machine(*found, 1, meter.best(*found)));
    add_path({found, &meter});
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) { return baton::bench::main(argc, argv); }
