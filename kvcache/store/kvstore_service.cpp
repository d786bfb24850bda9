#include "kvcache/store/kvstore_service.h"

#include <nlohmann/json.hpp>

#include "base/hash/counter_rng.h"

namespace baton::kvcache {

MetricsSnapshot store_metrics(const StoreStatus& status, const StoreServerCounts& server) {
  MetricsSnapshot all;
  const auto count = [&all](const char* name, const char* help, uint64_t value,
                            const Labels& labels = {}) {
    add_counter(all, name, help, static_cast<double>(value), labels);
  };
  const auto gauge = [&all](const char* name, const char* help, uint64_t value,
                            const std::string& tier) {
    add_gauge(all, name, help, static_cast<double>(value), {{"tier", tier}});
  };
  const PageStoreCounts& s = status.store;
  count("baton_kvstore_lookups_total", "Prefixes looked up.", s.lookups);
  const char* hits = "Pages that were asked for and given.";
  count("baton_kvstore_hits_total", hits, s.memory_hits, {{"tier", "memory"}});
  count("baton_kvstore_hits_total", hits, s.disk_hits, {{"tier", "disk"}});
  count("baton_kvstore_misses_total", "Pages that were asked for and not there.", s.misses);
  count("baton_kvstore_read_bytes_total", "Bytes of pages given.", s.bytes_read);
  count("baton_kvstore_stored_pages_total", "Pages taken.", s.stored);
  count("baton_kvstore_known_pages_total", "Pages that came while they were there.", s.known);
  count("baton_kvstore_stored_bytes_total", "Bytes of pages taken.", s.bytes_stored);
  const char* damaged = "Pages whose checksum did not hold; none is given.";
  count("baton_kvstore_damaged_total", damaged, s.damaged, {{"tier", "memory"}});
  count("baton_kvstore_damaged_total", damaged, status.disk.damaged, {{"tier", "disk"}});
  count("baton_kvstore_failed_writes_total", "Writes that the disk refused.", status.disk.failed);
  add_gauge(all, "baton_kvstore_skipped_segments", "Files of pages that could not be opened.",
            static_cast<double>(status.disk.skipped));
  const char* evicted = "Pages that gave way to others.";
  count("baton_kvstore_evicted_pages_total", evicted, status.memory_evicted, {{"tier", "memory"}});
  count("baton_kvstore_evicted_pages_total", evicted, status.disk.dropped, {{"tier", "disk"}});
  count("baton_kvstore_moved_pages_total", "Pages written again to free a segment.",
        status.disk.moved);
  gauge("baton_kvstore_pages", "Pages held.", status.memory_pages, "memory");
  gauge("baton_kvstore_pages", "Pages held.", status.disk_pages, "disk");
  gauge("baton_kvstore_bytes", "Bytes held.", status.memory_bytes, "memory");
  gauge("baton_kvstore_bytes", "Bytes held.", status.disk_bytes, "disk");
  count("baton_kvstore_connections_total", "Connections accepted.", server.connections);
  count("baton_kvstore_refused_connections_total", "Connections beyond the limit.", server.refused);
  count("baton_kvstore_violations_total", "Connections closed for what was said on them.",
        server.violations);
  count("baton_kvstore_timeouts_total", "Connections closed because they stood still.",
        server.timeouts);
  return all;
}

Result<std::unique_ptr<KvstoreService>> KvstoreService::start(boost::asio::any_io_executor executor,
                                                              const Clock& clock, Log log,
                                                              const KvstoreOptions& options,
                                                              rpc::Connector& connector,
                                                              std::function<void()> fenced) {
  // Who has the folder is waited for.
  if (options.store.disk) log.info("opening", {{"folder", options.store.disk->folder.string()}});
  BATON_TRY(store, PageStore::open(options.store));
  if (const DiskTier* disk = store.disk()) {
    log.info("disk", {{"folder", options.store.disk->folder.string()},
                      {"pages", disk->pages()},
                      {"bytes", disk->bytes()},
                      {"damaged", disk->counts().damaged},
                      {"skipped_segments", disk->counts().skipped}});
  }
  BATON_TRY(server, StoreServer::listen(executor, options.server, std::move(store), clock));
  return std::unique_ptr<KvstoreService>(new KvstoreService(
      executor, std::move(log), options, std::move(server), connector, std::move(fenced)));
}

KvstoreService::KvstoreService(boost::asio::any_io_executor executor, Log log,
                               const KvstoreOptions& options, std::unique_ptr<StoreServer> server,
                               rpc::Connector& connector, std::function<void()> fenced)
    : log_(std::move(log)), options_(options), server_(std::move(server)), timer_(executor) {
  if (options_.scheduler.empty()) return;
  scheduler::MemberEvents events;
  events.on_fenced = [this, fenced = std::move(fenced)] {
    log_.error("fenced", {{"why", "a newer instance has this name"}});
    fenced();
  };
  events.on_rebalance = [] {};  // it has no experts
  scheduler::Identity identity{
      {options_.name, Incarnation{entropy()}, server_->address()}, Role::kvstore, {}};
  member_.emplace(executor, connector, options_.scheduler, std::move(identity), log_,
                  std::move(events));
  beat_later();
}

void KvstoreService::beat_later() {
  server_->ask_status([this](const StoreStatus& status) { beat(status); });
}

void KvstoreService::beat(const StoreStatus& status) {
  Heartbeat heartbeat;
  const auto pages = static_cast<uint32_t>(std::max(status.memory_pages, status.disk_pages));
  heartbeat.load.pages.total = pages;
  heartbeat.load.pages.cached = pages;
  heartbeat.metrics = store_metrics(status, server_->counts());
  member_->beat(std::move(heartbeat));
  timer_.expires_after(options_.beat_interval);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled) beat_later();
  });
}

}  // namespace baton::kvcache
