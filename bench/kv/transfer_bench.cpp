// How fast a long prompt's latents go from a prefill's pool to a decode's, by transport, beside
// what the machine does with the same bytes; how long a page takes; what is left after the last
// layer.
//
// Sender, transport, receiver, checksums, digests, seal and commit are the daemons'. Tries of all
// are taken in turn, so that what a busy machine takes away it takes from all alike.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/system/options.h"
#include "bench/kv/hand_off.h"
#include "bench/kv/plain.h"

namespace baton::bench {
namespace {

using Json = nlohmann::ordered_json;
using kvcache::PageFormat;
using kvcache::PoolMemory;

struct Options {
  uint32_t layers = 62;         // of V3, the MTP layer included
  uint32_t entry_bytes = 1152;  // 576 values in BF16
  uint32_t tokens = 32768;
  uint32_t tries = 5;
  uint32_t one_page = 300;
  uint32_t exposed_tries = 3;
  double prefill_tokens_per_second = 9200;
  uint32_t chunk = 2048;
  double link_gbits = 25;
  bool quick = false;
  std::string json;
};

struct Transport {
  const char* name;
  HandOffs hand_offs;
};

double at(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}
double median(const std::vector<double>& values) { return at(values, 0.5); }
double best(const std::vector<double>& values) { return at(values, 1); }

// CPU seconds of all threads of this process so far.
double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class Bench {
 public:
  Bench(const Options& options, PoolMemory source, PoolMemory target)
      : options_(options), source_(std::move(source)), target_(std::move(target)) {
    for (uint32_t page = 0; page < source_.pages(); ++page) {
      auto bytes = source_.page(PageId{page});
      for (size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>((i * 0x9e3779b97f4a7c15ULL + page) >> 56);
      auto there = target_.page(PageId{page});
      std::fill(there.begin(), there.end(), std::byte{0});
    }
  }

  bool run() {
    std::printf("%u tokens, %u layers of %u bytes a token: %.2f GB\n", options_.tokens,
                options_.layers, options_.entry_bytes, bytes() / 1e9);
    rates();
    one_page();
    exposed();
    if (!options_.json.empty()) std::ofstream(options_.json) << json_.dump(1) << "\n";
    if (ok_) std::printf("all committed, all bytes equal\n");
    return ok_;
  }

 private:
  double bytes() const {
    return static_cast<double>(options_.tokens) * options_.layers * options_.entry_bytes;
  }

  // A hand-off of bytes that were never handed over; what went wrong is told once.
  std::optional<HandOffTimes> hand_over(Transport& by, uint32_t tokens,
                                        const Production& production) {
    ++stamp_;
    for (uint32_t page = 0; page < pages_for(tokens); ++page)
      for (uint32_t layer = 0; layer < options_.layers; ++layer)
        std::memcpy(source_.block(PageId{page}, layer).data(), &stamp_, sizeof stamp_);
    const double before = cpu_seconds();
    const auto times = by.hand_offs.run(tokens, production);
    cpu_ = cpu_seconds() - before;
    if (times && by.hand_offs.equal()) return *times;
    if (ok_) {
      std::printf("%s: %s\n", by.name,
                  times ? "COMMITTED BYTES DIFFER" : times.error().message.c_str());
    }
    ok_ = false;
    return std::nullopt;
  }

  struct Rates {
    const char* what;
    const Rates* of = nullptr;  // what the machine can do
    std::vector<double> gb_per_second;
    std::vector<double> cpu_per_gb;  // seconds, of all threads
  };

  void rates() {
    const double gb = bytes() / 1e9;
    Rates copied{"memcpy by frame"}, streamed{"plain TCP"}, pooled{"plain TCP, pool to pool"};
    std::array<Rates, 2> landed{{{"shared memory, landed", &copied}, {"TCP, landed", &streamed}}};
    std::array<Rates, 2> committed{
        {{"shared memory, committed", &copied}, {"TCP, committed", &streamed}}};
    for (uint32_t i = 0; i <= options_.tries && ok_; ++i) {
      const auto add = [&](Rates& to, Duration took) {
        if (i == 0) return;  // the first makes the connections
        to.gb_per_second.push_back(gb / to_seconds(took));
        to.cpu_per_gb.push_back(cpu_ / gb);
      };
      const auto timed = [&](Rates& to, auto&& work) {
        const double before = cpu_seconds();
        const Duration took = work();
        cpu_ = cpu_seconds() - before;
        add(to, took);
      };
      timed(copied, [&] { return copy_by_frames(source_, target_, options_.tokens, clock_); });
      timed(streamed, [&] { return plain_stream(static_cast<size_t>(bytes()), clock_); });
      timed(pooled, [&] { return stream_by_frames(source_, target_, options_.tokens, clock_); });
      for (size_t t = 0; t < 2; ++t) {
        const auto times = hand_over(transports_[t], options_.tokens, {});
        if (!times) continue;
        add(landed[t], times->to_landed);
        add(committed[t], times->to_commit);
      }
    }
    for (const Rates* each : {&copied, &streamed, &pooled}) tell(*each);
    for (size_t t = 0; t < 2; ++t) {
      tell(landed[t]);
      tell(committed[t]);
    }
  }

  // GB/s, and the share of what the machine can do, try by try. The CPU time of what has landed
  // includes that of its commit.
  void tell(const Rates& rates) {
    const auto& values = rates.gb_per_second;
    std::printf("%-26s median %6.2f GB/s, best %6.2f, %.2f CPU s a GB", rates.what, median(values),
                best(values), median(rates.cpu_per_gb));
    Json& json = json_["gb_per_second"][rates.what];
    json = {{"median", median(values)},
            {"best", best(values)},
            {"tries", values},
            {"cpu_seconds_a_gb", median(rates.cpu_per_gb)}};
    if (rates.of != nullptr && rates.of->gb_per_second.size() == values.size()) {
      std::vector<double> shares;
      for (size_t i = 0; i < values.size(); ++i)
        shares.push_back(values[i] / rates.of->gb_per_second[i]);
      std::printf("; %.2f of %s (best of best %.2f)", median(shares), rates.of->what,
                  best(values) / best(rates.of->gb_per_second));
      json["of_plain_median"] = median(shares);
      json["of_plain_best"] = best(values) / best(rates.of->gb_per_second);
    }
    std::printf("\n");
  }

  void one_page() {
    std::array<std::vector<double>, 2> ms;
    for (uint32_t i = 0; i < options_.one_page && ok_; ++i) {
      for (size_t t = 0; t < 2; ++t) {
        const auto times = hand_over(transports_[t], std::min(options_.tokens, kPageTokens), {});
        if (times) ms[t].push_back(1e3 * to_seconds(times->to_commit));
      }
    }
    for (size_t t = 0; t < 2; ++t) {
      std::printf("%-26s one page, opened to committed: p50 %.2f ms, p99 %.2f ms\n",
                  transports_[t].name, median(ms[t]), at(ms[t], 0.99));
      json_["one_page_ms"][transports_[t].name] = {{"p50", median(ms[t])},
                                                   {"p99", at(ms[t], 0.99)}};
    }
  }

  void exposed() {
    for (const double gbits : {0.0, options_.link_gbits}) {
      std::array<std::vector<double>, 2> ms, share;
      for (uint32_t i = 0; i < options_.exposed_tries && ok_; ++i) {
        for (size_t t = 0; t < 2; ++t) {
          const auto times =
              hand_over(transports_[t], options_.tokens,
                        {options_.prefill_tokens_per_second, options_.chunk, gbits * 1e9 / 8});
          if (!times) continue;
          ms[t].push_back(1e3 * to_seconds(times->exposed));
          share[t].push_back(100 * to_seconds(times->exposed) / to_seconds(times->prefill));
        }
      }
      const std::string link = gbits == 0 ? "loopback" : fmt::format("{} Gbit/s", gbits);
      for (size_t t = 0; t < 2 && options_.exposed_tries > 0; ++t) {
        std::printf(
            "%-26s %s, prefill of %.0f tokens/s: %.1f ms exposed after the last layer, %.2f %% of "
            "the prefill (best %.2f %%)\n",
            transports_[t].name, link.c_str(), options_.prefill_tokens_per_second, median(ms[t]),
            median(share[t]), at(share[t], 0));
        json_["exposed"][link][transports_[t].name] = {
            {"ms", ms[t]}, {"percent_median", median(share[t])}, {"percent_best", at(share[t], 0)}};
      }
    }
  }

  const Options options_;
  const SystemClock clock_;
  PoolMemory source_;
  PoolMemory target_;
  std::array<Transport, 2> transports_{{{"shared memory", {source_, target_, true, clock_}},
                                        {"TCP", {source_, target_, false, clock_}}}};
  Json json_;
  uint64_t stamp_ = 0;
  double cpu_ = 0;  // seconds, of what was measured last
  bool ok_ = true;
};

int run(Options options) {
  if (options.quick) {
    options.tokens = std::min(options.tokens, 300U);
    options.tries = options.one_page = options.exposed_tries = 1;
    options.chunk = 128;
  }
  const PageFormat format{options.layers, options.entry_bytes};
  const uint32_t pages = pages_for(options.tokens);
  auto source = PoolMemory::create_shared(format, pages, "baton-transfer-bench-source");
  auto target = PoolMemory::create_shared(format, pages, "baton-transfer-bench-target");
  for (const auto* made : {&source, &target}) {
    if (*made) continue;
    std::fprintf(stderr, "transfer_bench: %s\n", made->error().message.c_str());
    return 1;
  }
  return Bench(options, std::move(*source), std::move(*target)).run() ? 0 : 1;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) {
  using namespace baton;
  bench::Options options;
  CLI::App app("Measures the hand-off of a prompt's latent cache by transport.");
  app.add_option("--layers", options.layers, "of a page")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--entry-bytes", options.entry_bytes, "of one token in one layer")
      ->check(CLI::Range(8, 65536))
      ->capture_default_str();
  app.add_option("--tokens", options.tokens, "of the prompt; two pools of that size are made")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--tries", options.tries, "of each rate")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--one-page", options.one_page, "hand-offs of one page")->capture_default_str();
  app.add_option("--exposed-tries", options.exposed_tries, "with layers that take time")
      ->capture_default_str();
  app.add_option("--prefill-rate", options.prefill_tokens_per_second,
                 "tokens a second of the prefill whose layers are handed over")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--chunk", options.chunk, "tokens of one step of this prefill")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  app.add_option("--link-gbits", options.link_gbits,
                 "frames come no faster than such a link would carry them")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--quick", options.quick, "few tokens, once each: does all commit, byte for byte");
  app.add_option("--json", options.json, "keep the figures in this file");
  if (const auto status = parse_options(app, argc, argv)) return *status;
  return bench::run(options);
}
