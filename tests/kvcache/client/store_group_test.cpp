// The group with real servers: what each keeps, in which order pages are told of, and what stores
// that die, come back or join change: hits, and nothing else.
#include "kvcache/client/store_group.h"

#include "tests/kvcache/store/store_world.h"

namespace baton::kvcache {
namespace {

class StoreGroupTest : public StoreWorld {
 protected:
  static constexpr uint32_t kPrompt = 12 * kRunPages;  // pages: several runs for each of 3 stores

  void SetUp() override {
    StoreClientOptions options;
    options.check_interval = 1ms;
    StoreClientEvents events;
    events.on_held = [this](StoreOrder order, std::optional<uint32_t> pages) {
      held[order.serial] = pages;
    };
    events.on_begin = [this](StoreOrder order) { begun.push_back(order.serial); };
    events.on_page = [this](StoreOrder order) {
      ++pages[order.serial];
      if (after_page) after_page(order);
    };
    events.on_end = [this](StoreOrder order) { ++ends[order.serial]; };
    events.on_kept = [this](uint32_t stored) { kept.push_back(stored); };
    group = std::make_unique<StoreGroup>(io.get_executor(), options, pool, clock, Log(),
                                         std::move(events));
    for (uint32_t n = 0; n < kPrompt; ++n)
      std::ranges::copy(bytes(n), pool.page(PageId{n}).begin());
  }
  static std::vector<std::byte> bytes(uint32_t n) { return bytes_of(n, kFormat.page_bytes()); }

  void start(const std::string& name) {
    StoreServerOptions options;
    options.check_interval = 1ms;
    auto made = StoreServer::listen(io.get_executor(), options,
                                    *PageStore::open({8 << 20, std::nullopt}), clock);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    servers[name] = std::move(*made);
  }
  void tell() {
    std::vector<StoreAt> there;
    for (const auto& [name, one] : servers) there.push_back({name, one->address()});
    group->set_stores(there);
  }
  static PromptPages run(uint32_t from, uint32_t to) {
    return {from, name_of(head_of_run(from)), names(from, to)};
  }
  uint32_t keep_all() {
    std::vector<KeptPage> list;
    for (uint32_t n = 0; n < kPrompt; ++n)
      list.push_back({name_of(n), PageId{n}, n, name_of(head_of_run(n))});
    group->keep(list);
    EXPECT_TRUE(kept.empty()) << "never from inside the call";
    until([&] { return !kept.empty(); });
    return std::exchange(kept, {}).front();
  }
  std::optional<uint32_t> look_up(uint32_t from, uint32_t to) {
    const uint64_t serial = ++serials;
    group->look_up({JobId{serial}, serial}, run(from, to));
    until([&] { return held.contains(serial); });
    return held[serial];
  }
  // Pages that came, into the pages behind the prompt's; each holds what its name says.
  uint32_t read(uint32_t from, uint32_t to) {
    const uint64_t serial = ++serials;
    std::vector<PageId> into;
    for (uint32_t n = from; n < to; ++n) into.push_back(PageId{kPrompt + n});
    for (const PageId page : into) std::ranges::fill(pool.page(page), std::byte{});
    group->read({JobId{serial}, serial}, run(from, to), into);
    until([&] { return ends[serial] > 0; });
    EXPECT_EQ(ends[serial], 1u);
    for (uint32_t at = 0; at < pages[serial]; ++at)
      EXPECT_TRUE(std::ranges::equal(pool.page(into[at]), bytes(from + at))) << from + at;
    return pages[serial];
  }
  // By name: the pages it was asked for, and gave.
  std::map<std::string, uint64_t> hits() {
    std::map<std::string, uint64_t> out;
    for (const auto& [name, one] : servers) {
      std::optional<StoreStatus> said;
      one->ask_status([&](const StoreStatus& status) { said = status; });
      until([&] { return said.has_value(); });
      out[name] = said->store.memory_hits;
    }
    return out;
  }

  PoolMemory pool = std::move(*PoolMemory::create_private(kFormat, 2 * kPrompt));
  std::map<std::string, std::unique_ptr<StoreServer>> servers;
  std::map<uint64_t, std::optional<uint32_t>> held;
  std::map<uint64_t, uint32_t> pages, ends;
  std::vector<uint32_t> kept;
  std::vector<uint64_t> begun;
  std::function<void(StoreOrder)> after_page;
  uint64_t serials = 0;
  std::unique_ptr<StoreGroup> group;  // last: its events touch all of these
};

TEST_F(StoreGroupTest, WithoutAStoreNothingIsThereAndNothingWaits) {
  EXPECT_EQ(look_up(0, 5), std::nullopt);
  EXPECT_EQ(read(0, 5), 0u);
  EXPECT_EQ(keep_all(), 0u);
}

TEST_F(StoreGroupTest, PagesAreSpreadFoundFromAnyPageOnAndReadInOrder) {
  for (const char* name : {"a", "b", "c"}) start(name);
  tell();
  EXPECT_EQ(group->stores(), 3u);
  EXPECT_EQ(keep_all(), kPrompt);
  EXPECT_EQ(look_up(0, kPrompt), kPrompt);
  EXPECT_EQ(look_up(21, kPrompt), kPrompt - 21) << "from the middle of a run";
  EXPECT_EQ(read(0, kPrompt), kPrompt);
  EXPECT_EQ(read(21, 100), 79u);
  EXPECT_EQ(begun.size(), 2u) << "once each";
  for (const auto& [name, count] : hits()) EXPECT_GT(count, 0u) << name;
  EXPECT_EQ(group->counts().pages_read, kPrompt + 79u);
}

TEST_F(StoreGroupTest, OneThatDiesCostsItsPagesOnly) {
  for (const char* name : {"a", "b", "c"}) start(name);
  tell();
  EXPECT_EQ(keep_all(), kPrompt);
  servers.erase("b");  // and nobody has been told yet
  const auto before = look_up(0, kPrompt);
  ASSERT_TRUE(before.has_value());
  EXPECT_LT(*before, kPrompt);
  EXPECT_EQ(*before % kRunPages, 0u) << "up to the first run of the dead one";
  EXPECT_EQ(read(0, kPrompt), *before);
  EXPECT_LT(keep_all(), kPrompt);

  tell();  // its share goes to the others, which do not have it yet
  EXPECT_EQ(look_up(0, kPrompt), before);
  EXPECT_EQ(keep_all(), kPrompt);
  EXPECT_EQ(look_up(0, kPrompt), kPrompt);
}

TEST_F(StoreGroupTest, OneThatJoinsTakesItsShareAndNothingElseMoves) {
  for (const char* name : {"a", "b"}) start(name);
  tell();
  EXPECT_EQ(keep_all(), kPrompt);
  const auto address = servers["a"]->address();
  start("c");
  tell();
  EXPECT_EQ(servers["a"]->address(), address);
  uint32_t there = 0;
  for (uint32_t n = 0; n < kPrompt; n += kRunPages) there += *look_up(n, n + kRunPages);
  EXPECT_GT(there, kPrompt / 4) << "what the two keep is still found";
  EXPECT_LT(there, kPrompt);
  EXPECT_EQ(keep_all(), kPrompt);
  EXPECT_EQ(look_up(0, kPrompt), kPrompt);
}

TEST_F(StoreGroupTest, AnOrderThatWaitsForOneThatGoesIsAnswered) {
  for (const char* name : {"a", "b", "c"}) start(name);
  tell();
  EXPECT_EQ(keep_all(), kPrompt);
  group->look_up({JobId{1001}, 1001}, run(0, kPrompt));
  std::vector<PageId> into;
  for (uint32_t n = 0; n < kPrompt; ++n) into.push_back(PageId{kPrompt + n});
  group->read({JobId{1002}, 1002}, run(0, kPrompt), into);
  std::vector<KeptPage> list;
  for (uint32_t n = 0; n < kPrompt; ++n)
    list.push_back({name_of(n), PageId{n}, n, name_of(head_of_run(n))});
  group->keep(list);
  group->set_stores({});
  EXPECT_TRUE(held.empty() && ends.empty() && kept.empty()) << "never from inside the call";
  until([&] { return held.contains(1001) && ends[1002] == 1 && kept.size() == 1; });
  EXPECT_EQ(held[1001], std::nullopt);
  EXPECT_EQ(pages[1002], 0u);
}

TEST_F(StoreGroupTest, AnOrderThatIsForgottenBetweenTwoPagesIsSilent) {
  for (const char* name : {"a", "b", "c"}) start(name);
  tell();
  EXPECT_EQ(keep_all(), kPrompt);
  after_page = [&](StoreOrder order) { group->forget(order, false); };
  std::vector<PageId> into;
  for (uint32_t n = 0; n < kPrompt; ++n) into.push_back(PageId{kPrompt + n});
  group->read({JobId{2000}, 2000}, run(0, kPrompt), into);
  until([&] { return pages[2000] == 1; });
  after_page = nullptr;
  EXPECT_EQ(read(0, kPrompt), kPrompt) << "others go on";
  EXPECT_EQ(pages[2000], 1u);
  EXPECT_EQ(ends[2000], 0u);
}

}  // namespace
}  // namespace baton::kvcache
