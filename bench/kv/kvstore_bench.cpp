// How fast a kvstore takes and gives pages over a loopback connection, from memory and from files.
//
// Server and client have a thread each in this process; every page is checked against its digest
// at both ends, as it always is. Files are read through the page cache. Beside it stands what the
// machine's memcpy and XXH3 do with the same pages.
#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/system/options.h"
#include "kvcache/client/store_client.h"
#include "kvcache/store/store_server.h"

namespace {

using namespace baton;
using namespace baton::kvcache;

struct Settings {
  uint32_t layers = 62;         // of V3, the MTP layer included
  uint32_t entry_bytes = 1152;  // BF16
  uint32_t pages = 64;
  uint32_t names = 512;  // of one lookup
  std::string folder = std::filesystem::temp_directory_path();
};

// A folder of this run alone, below the one that is named: that one may hold other things.
class RunFolder {
 public:
  static Result<RunFolder> make(const std::string& below) {
    std::string pattern = std::filesystem::path(below) / "baton-kvstore-bench-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) {
      return fail(ErrorCode::unavailable, "no folder can be made below {}: {}", below,
                  std::strerror(errno));
    }
    return RunFolder(std::move(pattern));
  }
  RunFolder(RunFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~RunFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

double seconds_of(const Clock& clock, const std::function<void()>& work) {
  const Instant begun = clock.now();
  work();
  return to_seconds(clock.now() - begun);
}

PageName name_of(uint32_t n) {
  PageName name;
  name.bytes = sha256(std::as_bytes(std::span(&n, 1)));
  return name;
}

class Bench {
 public:
  explicit Bench(const Settings& settings)
      : settings_(settings),
        pool_(
            PoolMemory::create_private({settings.layers, settings.entry_bytes}, 2 * settings.pages)
                .value()) {
    for (uint32_t n = 0; n < settings_.pages; ++n) {
      names_.push_back(name_of(n));
      into_.push_back(PageId{settings_.pages + n});
      auto bytes = pool_.page(PageId{n});
      for (size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>((i * 0x9e3779b97f4a7c15ULL + n) >> 56);
    }
  }

  void run() {
    const double gb = static_cast<double>(pool_.format().page_bytes()) * settings_.pages / 1e9;
    std::printf("%u pages of %.2f MB\n", settings_.pages,
                static_cast<double>(pool_.format().page_bytes()) / 1e6);
    const auto copy = [&] {
      for (uint32_t n = 0; n < settings_.pages; ++n)
        std::memcpy(pool_.page(into_[n]).data(), pool_.page(PageId{n}).data(),
                    pool_.format().page_bytes());
    };
    copy();  // the pages are there
    std::printf("memcpy  %6.2f GB/s\n", gb / seconds_of(clock_, copy));
    const auto digest = [&] {
      for (uint32_t n = 0; n < settings_.pages; ++n)
        (void)stored_digest(names_[n], std::as_const(pool_).page(PageId{n}));
    };
    std::printf("digest  %6.2f GB/s\n", gb / seconds_of(clock_, digest));
    const uint64_t all = uint64_t{settings_.pages} * (pool_.format().page_bytes() + 4096);
    round("memory", {all, std::nullopt}, gb);
    round("files", {pool_.format().page_bytes(), DiskTierOptions{settings_.folder, 2 * all, 0}},
          gb);
  }

 private:
  void round(const char* tier, const PageStoreOptions& options, double gb) {
    boost::asio::io_context served(1), io(1);
    auto server =
        StoreServer::listen(served.get_executor(), {}, PageStore::open(options).value(), clock_)
            .value();
    std::thread thread([&served] { served.run(); });
    StoreClientOptions client_options;
    client_options.address = server->address();
    uint32_t answers = 0;
    StoreClientEvents events;
    events.on_held = [&](StoreOrder, std::optional<uint32_t>) { ++answers; };
    events.on_page = [](StoreOrder) {};
    events.on_end = [&](StoreOrder) { ++answers; };
    events.on_kept = [&](uint32_t) { ++answers; };
    StoreClient client(io.get_executor(), client_options, pool_, clock_, Log(), events);
    const auto wait_for = [&](uint32_t count) {
      while (answers < count) io.run_one();
    };
    std::vector<KeptPage> kept;
    for (uint32_t n = 0; n < settings_.pages; ++n) kept.push_back({names_[n], PageId{n}, n});
    const double put = seconds_of(clock_, [&] {
      client.keep(kept);
      wait_for(1);
    });
    const double get = seconds_of(clock_, [&] {
      client.read({JobId{1}, 1}, names_, into_);
      wait_for(2);
    });
    std::printf("%-7s put %8.0f pages/s %6.2f GB/s   get %8.0f pages/s %6.2f GB/s   %s\n", tier,
                settings_.pages / put, gb / put, settings_.pages / get, gb / get,
                client.counts().pages_read == settings_.pages ? "all came" : "NOT ALL CAME");
    std::vector<PageName> asked;
    for (uint32_t n = 0; n < settings_.names; ++n) asked.push_back(names_[n % settings_.pages]);
    constexpr uint32_t kTimes = 1000;
    const double looked = seconds_of(clock_, [&] {
      for (uint32_t i = 0; i < kTimes; ++i) {
        client.look_up({JobId{2}, i + 2}, asked);
        wait_for(3 + i);
      }
    });
    std::printf("%-7s lookups of %u names: %.0f a second, %.2f million names a second\n", tier,
                settings_.names, kTimes / looked, kTimes / looked * settings_.names / 1e6);
    boost::asio::post(served, [&] {
      server->stop();
      served.stop();
    });
    thread.join();
  }

  const Settings settings_;
  const SystemClock clock_;
  PoolMemory pool_;
  std::vector<PageName> names_;
  std::vector<PageId> into_;
};

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app("Measures a kvstore: pages and bytes a second, from memory and from files.");
  app.add_option("--layers", settings.layers, "of a page")->capture_default_str();
  app.add_option("--entry-bytes", settings.entry_bytes, "of one token in one layer")
      ->capture_default_str();
  app.add_option("--pages", settings.pages, "put and got")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--dir", settings.folder,
                 "where files are kept during the run, in a folder of their own")
      ->capture_default_str();
  if (const auto status = parse_options(app, argc, argv)) return *status;
  const auto folder = RunFolder::make(settings.folder);
  if (!folder) {
    fmt::print(stderr, "kvstore_bench: {}\n", folder.error().message);
    return 1;
  }
  settings.folder = folder->path();
  Bench(settings).run();
  return 0;
}
