// Loading: the time and memory that one rank's share of a model takes, each in a process of its
// own.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include "base/clock.h"
#include "base/result.h"
#include "bench/parallel/sections.h"
#include "model/checkpoint/summary.h"
#include "model/team/rank_runner.h"

namespace baton::bench {

namespace {

// A rank that never says anything.
class SilentPort final : public parallel::Port {
 public:
  SilentPort(uint32_t rank, uint32_t size) : rank_(rank), size_(size) {}
  uint32_t rank() const override { return rank_; }
  uint32_t size() const override { return size_; }
  parallel::Transfer send(uint32_t, parallel::Tag, std::span<const std::byte>) override {
    return nobody();
  }
  parallel::Transfer receive(uint32_t, parallel::Tag, std::span<std::byte>) override {
    return nobody();
  }
  bool done(parallel::Transfer) override { return true; }
  size_t wait(parallel::Transfer) override { return 0; }
  const parallel::PortCounts& counts() const override { return counts_; }

 private:
  static parallel::Transfer nobody() {
    check(false, "a rank that only loads says nothing");
    return {};
  }
  uint32_t rank_, size_;
  parallel::PortCounts counts_;
};

struct Loaded {
  double ms = 0;
  double file_mb = 0;       // pages of the checkpoint that this process has mapped
  double anonymous_mb = 0;  // buffers
};

double status_mb(const char* name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return std::stod(line.substr(line.find(':') + 1)) / 1024;
  }
  return 0;
}

Loaded load(const std::filesystem::path& dir, const parallel::Layout& layout, uint32_t rank) {
  ::malloc_trim(0);  // what sections before have left is not counted as there
  const double file = status_mb("RssFile");
  const double anonymous = status_mb("RssAnon");
  const SystemClock clock;
  const Instant begun = clock.now();
  const auto checkpoint = checkpoint::Checkpoint::open(dir).value();
  SilentPort port(rank, layout.ranks());
  const auto runner = model::RankRunner::create(checkpoint, {.layout = layout}, port).value();
  const double ms = to_seconds(clock.now() - begun) * 1e3;
  return {ms, status_mb("RssFile") - file, status_mb("RssAnon") - anonymous};
}

Loaded load_in_child(const std::filesystem::path& dir, const parallel::Layout& layout,
                     uint32_t rank) {
  int ends[2];
  check(::pipe(ends) == 0, "a process has room for a pipe");
  const pid_t child = ::fork();
  check(child >= 0, "this machine lets a process fork");
  if (child == 0) {
    const Loaded loaded = load(dir, layout, rank);
    const bool told = ::write(ends[1], &loaded, sizeof loaded) == sizeof loaded;
    ::_exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  Loaded loaded;
  const bool heard = ::read(ends[0], &loaded, sizeof loaded) == sizeof loaded;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  check(heard && status == 0, "a rank loads its share");
  return loaded;
}

// As many heads apart as can be, the rest in DP groups.
parallel::Layout layout_of(uint32_t ranks, const parallel::ModelShape& shape) {
  const uint32_t tp = std::gcd(std::gcd(shape.heads, parallel::kPartialSumsMax), ranks);
  return {.tp = tp, .dp = ranks / tp};
}

}  // namespace

void measure_loading(const Settings& settings, Report& report) {
  report.section("loading", fmt::format("one rank of {}, its pages warm", settings.model.string()));
  const auto opened = checkpoint::Checkpoint::open(settings.model);
  if (!opened) {
    report.fail(opened.error().message);
    return;
  }
  const auto summary = checkpoint::summarize(*opened);
  const auto shape = checkpoint::model_shape(opened->config());
  Table table("The slowest and largest of the first and the last ranks", {{"ranks"},
                                                                          {"layout"},
                                                                          {"ms", 2},
                                                                          {"RssFile MiB", 2},
                                                                          {"RssAnon MiB", 2},
                                                                          {"weights MiB", 2}});
  load_in_child(settings.model, {}, 0);  // warms the pages
  const int tries = settings.quick ? 1 : 5;
  double most = 0;
  for (uint32_t ranks = 1; ranks <= (settings.quick ? 4u : 32u); ranks *= 2) {
    const parallel::Layout layout = layout_of(ranks, shape);
    Loaded worst;
    for (const uint32_t rank : {0u, ranks - 1}) {
      Loaded best = load_in_child(settings.model, layout, rank);
      for (int i = 1; i < tries; ++i) {
        best.ms = std::min(best.ms, load_in_child(settings.model, layout, rank).ms);
      }
      worst = {std::max(worst.ms, best.ms), std::max(worst.file_mb, best.file_mb),
               std::max(worst.anonymous_mb, best.anonymous_mb)};
    }
    const auto memory = checkpoint::rank_memory(summary, layout).value();
    table.add({ranks, fmt::format("tp={},dp={}", layout.tp, layout.dp), worst.ms, worst.file_mb,
               worst.anonymous_mb, static_cast<double>(memory.total().stored_bytes) / (1 << 20)});
    if (ranks == 1) most = worst.file_mb;
    if (ranks > 2) report.expect(worst.file_mb < most, "a rank of many maps less than a lone one");
  }
  report.add(table);
}

}  // namespace baton::bench
