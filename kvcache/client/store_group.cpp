#include "kvcache/client/store_group.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>

namespace baton::kvcache {

namespace asio = boost::asio;

namespace {

using StoreId = uint64_t;  // one life of one store at one address

void add(StoreClientCounts& to, const StoreClientCounts& from) {
  to.pages_read += from.pages_read;
  to.bytes_read += from.bytes_read;
  to.pages_written += from.pages_written;
  to.bytes_written += from.bytes_written;
  to.damaged += from.damaged;
  to.failures += from.failures;
  to.connections += from.connections;
}

// The pages of an order that one store keeps.
struct Part {
  std::vector<uint32_t> at;  // their places in the order
  std::vector<PageName> names;
  size_t came = 0;  // of a read: pages, in order
};

struct LookUp {
  std::map<StoreId, Part> waiting;
  uint32_t held = 0;     // pages from the first on, as far as is known yet
  bool reached = false;  // a store has answered
};

struct Read {
  std::map<StoreId, Part> waiting;  // for parts that have not ended
  std::vector<bool> came;           // by place
  size_t told = 0;                  // pages from the first on
  size_t end = 0;                   // that can come
  bool begun = false;
};

struct Keep {
  size_t waiting = 0;  // for parts
  uint32_t stored = 0;
};

}  // namespace

class StoreGroup::Hub : public std::enable_shared_from_this<StoreGroup::Hub> {
 public:
  Hub(asio::any_io_executor executor, StoreClientOptions options, PoolMemory& pool,
      const Clock& clock, Log log, StoreClientEvents events)
      : executor_(std::move(executor)),
        options_(std::move(options)),
        pool_(pool),
        clock_(clock),
        log_(std::move(log)),
        events_(std::move(events)) {}

  void close();
  void set_stores(const std::vector<StoreAt>& stores);
  size_t stores() const { return ring_stores_.size(); }
  void look_up(StoreOrder order, const PromptPages& pages);
  void read(StoreOrder order, const PromptPages& pages, const std::vector<PageId>& into);
  void forget(StoreOrder order, bool late);
  void keep(const std::vector<KeptPage>& pages);
  StoreClientCounts counts() const;

 private:
  struct Store {
    StoreAt at;
    std::unique_ptr<StoreClient> client;
    std::deque<uint64_t> keeps;  // that it works on, in order
  };

  std::unique_ptr<StoreClient> make_client(StoreId id, const StoreAt& at);
  std::map<StoreId, Part> split(const PromptPages& pages) const;
  void drop(StoreId id, Store store);
  void held(StoreId store, StoreOrder order, std::optional<uint32_t> pages);
  void began(StoreOrder order);
  void page_came(StoreId store, StoreOrder order);
  void ended(StoreId store, StoreOrder order);
  void finish_read(StoreOrder order);
  void kept(uint64_t keep, uint32_t stored);

  // Later, unless the group is gone by then.
  template <class Then>
  void soon(Then then) {
    asio::post(executor_, [hub = weak_from_this(), then = std::move(then)] {
      const auto self = hub.lock();
      if (self && !self->closed_) then(*self);
    });
  }

  asio::any_io_executor executor_;
  const StoreClientOptions options_;
  PoolMemory& pool_;
  const Clock& clock_;
  const Log log_;
  const StoreClientEvents events_;
  std::vector<StoreAt> known_;
  StoreRing ring_;
  std::vector<StoreId> ring_stores_;  // by index in the ring
  std::map<StoreId, Store> stores_;
  StoreId ids_ = 0;
  std::map<uint64_t, std::pair<StoreOrder, LookUp>> look_ups_;  // by serial
  std::map<uint64_t, std::pair<StoreOrder, Read>> reads_;
  std::map<uint64_t, Keep> keeps_;
  uint64_t keep_ids_ = 0;
  StoreClientCounts gone_;  // of stores that are gone
  bool closed_ = false;
};

// ---- who is there ------------------------------------------------------------------------------

std::unique_ptr<StoreClient> StoreGroup::Hub::make_client(StoreId id, const StoreAt& at) {
  StoreClientOptions options = options_;
  options.address = at.address;
  return std::make_unique<StoreClient>(
      executor_, std::move(options), pool_, clock_, log_,
      StoreClientEvents{
          .on_held = [this, id](StoreOrder order,
                                std::optional<uint32_t> pages) { held(id, order, pages); },
          .on_begin = [this](StoreOrder order) { began(order); },
          .on_page = [this, id](StoreOrder order) { page_came(id, order); },
          .on_end = [this, id](StoreOrder order) { ended(id, order); },
          .on_kept =
              [this, id](uint32_t stored) {
                auto& keeps = stores_.at(id).keeps;
                const uint64_t keep = keeps.front();
                keeps.pop_front();
                kept(keep, stored);
              }});
}

void StoreGroup::Hub::set_stores(const std::vector<StoreAt>& stores) {
  if (stores == known_) return;
  known_ = stores;
  std::map<std::string, StoreId> there;
  for (auto it = stores_.begin(); it != stores_.end();) {
    if (std::ranges::find(stores, it->second.at) != stores.end()) {
      there[it->second.at.name] = it->first;
      ++it;
      continue;
    }
    log_.info("kvstore.gone", {{"name", it->second.at.name}, {"address", it->second.at.address}});
    drop(it->first, std::move(it->second));
    it = stores_.erase(it);
  }
  std::vector<std::string> names;
  ring_stores_.clear();
  for (const StoreAt& at : stores) {
    if (!there.contains(at.name)) {
      log_.info("kvstore.known", {{"name", at.name}, {"address", at.address}});
      const StoreId id = ++ids_;
      stores_[id] = {at, make_client(id, at), {}};
      there[at.name] = id;
    }
    names.push_back(at.name);
    ring_stores_.push_back(there[at.name]);
  }
  ring_ = StoreRing(names);
}

// Nothing comes from it any more: what waits for it has its answer.
void StoreGroup::Hub::drop(StoreId id, Store store) {
  add(gone_, store.client->counts());
  store.client.reset();  // from here on it reads and writes no page
  for (const uint64_t keep : store.keeps) soon([keep](Hub& hub) { hub.kept(keep, 0); });
  for (const auto& [serial, entry] : look_ups_)
    if (entry.second.waiting.contains(id))
      soon([id, order = entry.first](Hub& hub) { hub.held(id, order, std::nullopt); });
  for (const auto& [serial, entry] : reads_)
    if (entry.second.waiting.contains(id))
      soon([id, order = entry.first](Hub& hub) { hub.ended(id, order); });
}

void StoreGroup::Hub::close() {
  closed_ = true;
  stores_.clear();
}

std::map<StoreId, Part> StoreGroup::Hub::split(const PromptPages& pages) const {
  std::map<StoreId, Part> parts;
  for (uint32_t at = 0; at < pages.names.size() && !ring_.empty(); ++at) {
    Part& part = parts[ring_stores_[ring_.owner(pages.head_of(at))]];
    part.at.push_back(at);
    part.names.push_back(pages.names[at]);
  }
  return parts;
}

// ---- lookups -----------------------------------------------------------------------------------

void StoreGroup::Hub::look_up(StoreOrder order, const PromptPages& pages) {
  LookUp look_up{split(pages), static_cast<uint32_t>(pages.names.size()), false};
  if (look_up.waiting.empty())
    return soon([order](Hub& hub) { hub.events_.on_held(order, std::nullopt); });
  const auto& parts = look_ups_[order.serial] = {order, std::move(look_up)};
  for (const auto& [store, part] : parts.second.waiting)
    stores_.at(store).client->look_up(order, part.names);
}

void StoreGroup::Hub::held(StoreId store, StoreOrder order, std::optional<uint32_t> pages) {
  const auto found = look_ups_.find(order.serial);
  if (found == look_ups_.end()) return;
  LookUp& look_up = found->second.second;
  const auto part = look_up.waiting.find(store);
  if (part == look_up.waiting.end()) return;
  look_up.reached |= pages.has_value();
  const auto& at = part->second.at;
  if (pages.value_or(0) < at.size()) look_up.held = std::min(look_up.held, at[pages.value_or(0)]);
  look_up.waiting.erase(part);
  if (!look_up.waiting.empty()) return;
  const auto answer = look_up.reached ? std::optional(look_up.held) : std::nullopt;
  look_ups_.erase(found);
  events_.on_held(order, answer);
}

// ---- reads -------------------------------------------------------------------------------------

void StoreGroup::Hub::read(StoreOrder order, const PromptPages& pages,
                           const std::vector<PageId>& into) {
  Read read{split(pages), std::vector<bool>(pages.names.size()), 0, pages.names.size(), false};
  if (read.waiting.empty()) return soon([order](Hub& hub) { hub.events_.on_end(order); });
  const auto& parts = reads_[order.serial] = {order, std::move(read)};
  for (const auto& [store, part] : parts.second.waiting) {
    std::vector<PageId> places;
    for (const uint32_t at : part.at) places.push_back(into[at]);
    stores_.at(store).client->read(order, part.names, std::move(places));
  }
}

void StoreGroup::Hub::began(StoreOrder order) {
  const auto found = reads_.find(order.serial);
  if (found == reads_.end() || std::exchange(found->second.second.begun, true)) return;
  if (events_.on_begin) events_.on_begin(order);
}

void StoreGroup::Hub::page_came(StoreId store, StoreOrder order) {
  auto found = reads_.find(order.serial);
  if (found == reads_.end()) return;
  Part& part = found->second.second.waiting.at(store);
  found->second.second.came[part.at[part.came++]] = true;
  // The event may forget the order.
  while (found != reads_.end()) {
    Read& read = found->second.second;
    if (read.told == read.end) return finish_read(order);
    if (!read.came[read.told]) return;
    ++read.told;
    events_.on_page(order);
    found = reads_.find(order.serial);
  }
}

// A part has ended. If one of its pages is missing, those behind that are of no use.
void StoreGroup::Hub::ended(StoreId store, StoreOrder order) {
  const auto found = reads_.find(order.serial);
  if (found == reads_.end()) return;
  Read& read = found->second.second;
  const auto part = read.waiting.find(store);
  if (part == read.waiting.end()) return;
  const auto& [at, names, came] = part->second;
  if (came < at.size()) read.end = std::min<size_t>(read.end, at[came]);
  read.waiting.erase(part);
  if (read.told == read.end) finish_read(order);
}

void StoreGroup::Hub::finish_read(StoreOrder order) {
  forget(order, false);
  events_.on_end(order);
}

void StoreGroup::Hub::forget(StoreOrder order, bool late) {
  std::vector<StoreId> waiting;
  if (const auto found = look_ups_.find(order.serial); found != look_ups_.end()) {
    for (const auto& [store, part] : found->second.second.waiting) waiting.push_back(store);
    look_ups_.erase(found);
  }
  if (const auto found = reads_.find(order.serial); found != reads_.end()) {
    for (const auto& [store, part] : found->second.second.waiting) waiting.push_back(store);
    reads_.erase(found);
  }
  for (const StoreId store : waiting)
    if (const auto there = stores_.find(store); there != stores_.end())
      there->second.client->forget(order, late);
}

// ---- behind the requests -----------------------------------------------------------------------

void StoreGroup::Hub::keep(const std::vector<KeptPage>& pages) {
  std::map<StoreId, std::vector<KeptPage>> parts;
  if (!ring_.empty())
    for (const KeptPage& page : pages) parts[ring_stores_[ring_.owner(page.head)]].push_back(page);
  const uint64_t id = ++keep_ids_;
  keeps_[id] = {std::max<size_t>(parts.size(), 1), 0};
  if (parts.empty()) return soon([id](Hub& hub) { hub.kept(id, 0); });
  for (auto& [store, part] : parts) {
    stores_.at(store).keeps.push_back(id);
    stores_.at(store).client->keep(std::move(part));
  }
}

void StoreGroup::Hub::kept(uint64_t id, uint32_t stored) {
  Keep& keep = keeps_.at(id);
  keep.stored += stored;
  if (--keep.waiting > 0) return;
  const uint32_t all = keep.stored;
  keeps_.erase(id);
  events_.on_kept(all);
}

StoreClientCounts StoreGroup::Hub::counts() const {
  StoreClientCounts all = gone_;
  for (const auto& [id, store] : stores_) add(all, store.client->counts());
  return all;
}

// ---- the group ---------------------------------------------------------------------------------

StoreGroup::StoreGroup(asio::any_io_executor executor, StoreClientOptions options, PoolMemory& pool,
                       const Clock& clock, Log log, StoreClientEvents events)
    : hub_(std::make_shared<Hub>(std::move(executor), std::move(options), pool, clock,
                                 std::move(log), std::move(events))) {}

StoreGroup::~StoreGroup() { hub_->close(); }

void StoreGroup::set_stores(const std::vector<StoreAt>& stores) { hub_->set_stores(stores); }
size_t StoreGroup::stores() const { return hub_->stores(); }
void StoreGroup::look_up(StoreOrder order, const PromptPages& pages) {
  hub_->look_up(order, pages);
}
void StoreGroup::read(StoreOrder order, const PromptPages& pages, const std::vector<PageId>& into) {
  check(pages.names.size() == into.size() && !into.empty(), "each page that is read has its place");
  hub_->read(order, pages, into);
}
void StoreGroup::forget(StoreOrder order, bool late) { hub_->forget(order, late); }
void StoreGroup::keep(const std::vector<KeptPage>& pages) {
  check(!pages.empty(), "something is to be kept");
  hub_->keep(pages);
}
StoreClientCounts StoreGroup::counts() const { return hub_->counts(); }

}  // namespace baton::kvcache
