// StoreGroup: a prefill's way to all kvstores of a cluster, as if they were one.
//
// Which store keeps which pages follows from the stores' names alone (store_ring.h). A lookup asks
// every store that keeps pages of it at the same time, and ends at the first page that its store
// does not hold or can't be asked for; a read fetches from several stores at a time and tells of
// pages in order; what is to be kept goes to each page's own store. Stores come and go
// (set_stores): what waits for one that is gone is answered as if it had nothing. A store that has
// been started again elsewhere keeps its share, since that is its name's. Orders are answered as
// StoreClient answers them: exactly once unless forgotten, never from inside the call. Destroying a
// group silences it. Thread safety: one executor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kvcache/client/store_client.h"
#include "kvcache/client/store_ring.h"

namespace baton::kvcache {

struct StoreAt {
  std::string name;     // stable over restarts
  std::string address;  // host:port
  friend bool operator==(const StoreAt&, const StoreAt&) = default;
};

class StoreGroup {
 public:
  // As StoreClient; the address of `options` is not used. Knows no store at first.
  StoreGroup(boost::asio::any_io_executor executor, StoreClientOptions options, PoolMemory& pool,
             const Clock& clock, Log log, StoreClientEvents events);
  ~StoreGroup();
  StoreGroup(const StoreGroup&) = delete;
  StoreGroup& operator=(const StoreGroup&) = delete;

  void set_stores(const std::vector<StoreAt>& stores);
  size_t stores() const;

  void look_up(StoreOrder order, const PromptPages& pages);
  void read(StoreOrder order, const PromptPages& pages, const std::vector<PageId>& into);
  void forget(StoreOrder order, bool late);
  void keep(const std::vector<KeptPage>& pages);

  StoreClientCounts counts() const;  // of all stores that ever were

 private:
  class Hub;
  std::shared_ptr<Hub> hub_;
};

}  // namespace baton::kvcache
