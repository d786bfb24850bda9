#include "kvcache/store/page_store.h"

#include <gtest/gtest.h>

#include "tests/kvcache/store/pages.h"
#include "tests/support/temporary_folder.h"

namespace baton::kvcache {
namespace {

std::vector<PageName> names(uint32_t from, uint32_t to) {
  std::vector<PageName> out;
  for (uint32_t n = from; n < to; ++n) out.push_back(name_of(n));
  return out;
}

TEST(PageStore, SaysHowManyAreHeldFromTheFirstOn) {
  PageStore store = *PageStore::open({1 << 20, std::nullopt});
  for (const uint32_t n : {0u, 1u, 3u}) EXPECT_EQ(store.put(page_of(n)), PutVerdict::stored);
  EXPECT_EQ(store.held(names(0, 5)), 2u);
  EXPECT_EQ(store.held(names(2, 5)), 0u);
  EXPECT_EQ(store.held({}), 0u);
  EXPECT_EQ(store.put(page_of(1)), PutVerdict::known);
  EXPECT_TRUE(store.get(name_of(3))->whole());
  EXPECT_FALSE(store.get(name_of(2)));
  EXPECT_EQ(store.counts().memory_hits, 1u);
  EXPECT_EQ(store.counts().misses, 1u);
}

TEST(PageStore, RefusesAPageWhoseDigestDoesNotHold) {
  PageStore store = *PageStore::open({1 << 20, std::nullopt});
  StoredPage wrong = page_of(1);
  wrong.digest.low ^= 1;
  EXPECT_EQ(store.put(wrong), PutVerdict::refused);
  StoredPage other = page_of(1);
  other.name = name_of(2);  // its bytes are another page's
  EXPECT_EQ(store.put(other), PutVerdict::refused);
  EXPECT_EQ(store.held(names(1, 3)), 0u);
  EXPECT_EQ(store.counts().damaged, 2u);
}

TEST(PageStore, APageThatIsDamagedInMemoryIsNotGiven) {
  PageStore store = *PageStore::open({1 << 20, std::nullopt});
  StoredPage page = page_of(1);
  store.put(page);
  page.payload.writable()[9] ^= std::byte{1};  // the store's are the same
  EXPECT_FALSE(store.get(name_of(1)));
  EXPECT_EQ(store.counts().damaged, 1u);
  EXPECT_EQ(store.held(names(1, 2)), 0u);
}

TEST(PageStore, WhatMemoryLetsGoIsReadFromDisk) {
  testing::TemporaryFolder folder;
  PageStoreOptions options{1000, DiskTierOptions{folder / "pages", 1 << 20, 0}};
  {
    PageStore store = *PageStore::open(options);
    for (uint32_t n = 0; n < 4; ++n) EXPECT_EQ(store.put(page_of(n)), PutVerdict::stored);
    EXPECT_EQ(store.memory().pages(), 1u);
    EXPECT_EQ(store.held(names(0, 5)), 4u);
    EXPECT_TRUE(store.get(name_of(0))->whole());
    EXPECT_TRUE(store.get(name_of(0))->whole());
    EXPECT_EQ(store.counts().disk_hits, 1u);
    EXPECT_EQ(store.counts().memory_hits, 1u);
  }
  PageStore store = *PageStore::open(options);
  EXPECT_EQ(store.held(names(0, 5)), 4u);
}

TEST(PageStore, WhatIsReadFromMemoryOutlivesItsSegmentOnDisk) {
  testing::TemporaryFolder folder;
  PageStore store = *PageStore::open({1 << 20, DiskTierOptions{folder / "pages", 4 * 4096, 4096}});
  for (uint32_t n = 0; n < 16; ++n) store.put(page_of(n));
  EXPECT_TRUE(store.get(name_of(1)));
  EXPECT_EQ(store.counts().memory_hits, 1u);
  store.put(page_of(16));
  EXPECT_TRUE(store.disk()->holds(name_of(1)));
  EXPECT_FALSE(store.disk()->holds(name_of(2)));
}

TEST(PageStore, APageThatOnlyMemoryHoldsIsWrittenWhenItIsPutAgain) {
  testing::TemporaryFolder folder;
  PageStore store = *PageStore::open({1 << 20, DiskTierOptions{folder / "pages", 4 * 4096, 4096}});
  for (uint32_t n = 0; n < 20; ++n) store.put(page_of(n));
  EXPECT_FALSE(store.disk()->holds(name_of(0)));
  EXPECT_EQ(store.put(page_of(0)), PutVerdict::known);
  EXPECT_TRUE(store.disk()->holds(name_of(0)));
}

TEST(PageStore, APageThatOnlyMemoryHoldsIsWrittenWhenItIsRead) {
  testing::TemporaryFolder folder;
  PageStore store = *PageStore::open({1 << 20, DiskTierOptions{folder / "pages", 4 * 4096, 4096}});
  for (uint32_t n = 0; n < 20; ++n) store.put(page_of(n));
  EXPECT_FALSE(store.disk()->holds(name_of(0)));
  EXPECT_TRUE(store.get(name_of(0)));
  EXPECT_TRUE(store.disk()->holds(name_of(0)));
}

TEST(PageStore, PagesThatFitNowhereAreRefused) {
  PageStore store = *PageStore::open({100, std::nullopt});
  EXPECT_EQ(store.put(page_of(1)), PutVerdict::refused);
}

}  // namespace
}  // namespace baton::kvcache
