#include "kvcache/store/disk_tier.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>
#include <set>

#include "tests/kvcache/store/pages.h"
#include "tests/support/seeds.h"
#include "tests/support/temporary_folder.h"

namespace baton::kvcache {
namespace {

namespace fs = std::filesystem;

class DiskTierTest : public ::testing::Test {
 protected:
  DiskTier open(uint64_t bytes_max = 1 << 20, uint64_t segment_bytes = 8192) {
    auto tier = DiskTier::open({folder_ / "pages", bytes_max, segment_bytes});
    EXPECT_TRUE(tier.has_value());
    EXPECT_EQ(broken_invariant(*tier), std::nullopt);
    return std::move(*tier);
  }
  static bool put(DiskTier& tier, uint32_t n) {
    const bool stored = tier.put(page_of(n));
    EXPECT_EQ(broken_invariant(tier), std::nullopt);
    return stored;
  }
  // A page that is there is the right one.
  static bool has(DiskTier& tier, uint32_t n) {
    const auto page = tier.get(name_of(n));
    EXPECT_EQ(broken_invariant(tier), std::nullopt);
    if (!page) return false;
    EXPECT_TRUE(std::ranges::equal(page->bytes(), bytes_of(n, 700)));
    EXPECT_EQ(page->depth, n);
    return true;
  }
  std::set<fs::path> files() const {
    std::set<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_ / "pages"))
      if (entry.path().extension() == ".pages") found.insert(entry.path());
    return found;
  }

  testing::TemporaryFolder folder_;
};

constexpr uint64_t kRecord = record_bytes(700);  // 1024: eight in a segment

TEST_F(DiskTierTest, KeepsPagesAndFindsThemAgainWhenItIsOpenedAgain) {
  {
    DiskTier tier = open();
    for (uint32_t n = 0; n < 20; ++n) EXPECT_TRUE(put(tier, n));
    for (uint32_t n = 0; n < 20; ++n) EXPECT_TRUE(has(tier, n));
    EXPECT_FALSE(has(tier, 20));
    EXPECT_EQ(tier.bytes(), 20 * kRecord);
    EXPECT_EQ(files().size(), 3u);
  }
  DiskTier tier = open();
  EXPECT_EQ(tier.pages(), 20u);
  EXPECT_EQ(tier.counts().damaged, 0u);
  for (uint32_t n = 0; n < 20; ++n) EXPECT_TRUE(has(tier, n));
  EXPECT_TRUE(put(tier, 20));
  EXPECT_TRUE(has(tier, 20));
}

TEST_F(DiskTierTest, AFileThatIsCutAnywhereCostsThePagesBehindTheCut) {
  {
    DiskTier tier = open();
    for (uint32_t n = 0; n < 3; ++n) put(tier, n);
  }
  const fs::path file = *files().begin();
  std::ifstream in(file, std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(in), {});
  ASSERT_EQ(whole.size(), 3 * kRecord);
  for (size_t length = 0; length <= whole.size(); ++length) {
    std::ofstream(file, std::ios::binary) << whole.substr(0, length);
    DiskTier tier = open();
    ASSERT_EQ(tier.pages(), length / kRecord) << length;
    for (uint32_t n = 0; n < 3; ++n) ASSERT_EQ(has(tier, n), (n + 1) * kRecord <= length) << length;
  }
}

TEST_F(DiskTierTest, AFlippedBitCostsThePageItLiesInAndNoOther) {
  {
    DiskTier tier = open();
    for (uint32_t n = 0; n < 3; ++n) put(tier, n);
  }
  const fs::path file = *files().begin();
  std::ifstream in(file, std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(in), {});
  std::mt19937 random(1);
  for (size_t at = 0; at < 3 * kRecord; at += 1 + random() % 7) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    std::ofstream(file, std::ios::binary) << flipped;
    DiskTier tier = open();
    const bool padding = at % kRecord >= RecordHeader::kBytes + 700;
    for (uint32_t n = 0; n < 3; ++n)
      ASSERT_EQ(has(tier, n), padding || at / kRecord != n) << at << " " << n;
    ASSERT_EQ(tier.counts().damaged, padding ? 0u : 1u) << at;
  }
}

TEST_F(DiskTierTest, ADamagedPageCanBePutAgain) {
  {
    DiskTier tier = open();
    put(tier, 1);
  }
  std::fstream(*files().begin(), std::ios::binary | std::ios::in | std::ios::out)
      .seekp(300)
      .put('x')
      .flush();
  DiskTier tier = open();
  EXPECT_FALSE(has(tier, 1));
  EXPECT_TRUE(put(tier, 1));
  EXPECT_TRUE(has(tier, 1));
}

TEST_F(DiskTierTest, StaysWithinItsBytesAndForgetsTheOldestUnused) {
  DiskTier tier = open(4 * 8192);
  for (uint32_t n = 0; n < 32; ++n) put(tier, n);
  EXPECT_EQ(tier.bytes(), 32 * kRecord);
  for (const uint32_t n : {1u, 3u}) EXPECT_TRUE(has(tier, n));
  for (uint32_t n = 32; n < 36; ++n) put(tier, n);
  EXPECT_LE(tier.bytes(), 4u * 8192);
  for (const uint32_t n : {1u, 3u}) EXPECT_TRUE(has(tier, n)) << "used, so written again";
  for (const uint32_t n : {0u, 2u, 7u}) EXPECT_FALSE(has(tier, n));
  for (uint32_t n = 8; n < 36; ++n) EXPECT_TRUE(has(tier, n));
  EXPECT_EQ(tier.counts().moved, 2u);
  EXPECT_EQ(tier.counts().dropped, 6u);
}

TEST_F(DiskTierTest, ASegmentThatIsMostlyDeadIsWrittenAnew) {
  {
    DiskTier tier = open();
    for (uint32_t n = 0; n < 9; ++n) put(tier, n);
  }
  const fs::path first = *files().begin();
  for (int damaged = 0; damaged < 5; ++damaged) {
    std::fstream io(first, std::ios::binary | std::ios::in | std::ios::out);
    io.seekp(static_cast<std::streamoff>(damaged * kRecord + 200)).put('x');
  }
  DiskTier tier = open();
  for (uint32_t n = 0; n < 5; ++n) EXPECT_FALSE(has(tier, n));
  put(tier, 9);
  EXPECT_FALSE(fs::exists(first));
  EXPECT_EQ(tier.counts().moved, 3u);
  for (uint32_t n = 5; n < 10; ++n) EXPECT_TRUE(has(tier, n));
}

TEST_F(DiskTierTest, APageThatIsTooLargeIsRefused) {
  DiskTier tier = open(4096);
  EXPECT_FALSE(tier.put(page_of(1, 5000)));
  EXPECT_TRUE(put(tier, 2));
}

TEST_F(DiskTierTest, ASegmentOfALargeTierIsNoLargerThan64MiB) {
  DiskTier tier = open(uint64_t{1} << 40, 0);
  for (uint32_t n = 0; n < 9; ++n) EXPECT_TRUE(tier.put(page_of(n, 8000000)));
  EXPECT_EQ(files().size(), 2u);
  for (const fs::path& file : files()) EXPECT_LE(fs::file_size(file), uint64_t{64} << 20);
}

TEST_F(DiskTierTest, LargePagesThatWereUsedAreWrittenAgainToo) {
  DiskTier tier = open(1 << 20, 8192);
  for (uint32_t n = 0; n < 16; ++n) {
    EXPECT_TRUE(tier.put(page_of(n, 60000)));
    EXPECT_TRUE(tier.get(name_of(0)));
  }
  for (uint32_t n = 16; n < 24; ++n) EXPECT_TRUE(tier.put(page_of(n, 60000)));
  EXPECT_TRUE(tier.get(name_of(0)));
  EXPECT_EQ(broken_invariant(tier), std::nullopt);
}

TEST_F(DiskTierTest, EachLifeGoesOnInTheNewestSegment) {
  for (uint32_t n = 0; n < 8; ++n) {
    DiskTier tier = open();
    EXPECT_EQ(tier.counts().damaged, n == 0 ? 0u : 1u);
    EXPECT_EQ(tier.bytes(), n * kRecord) << "what was torn is cut off";
    EXPECT_TRUE(put(tier, n));
    for (uint32_t old = 0; old <= n; ++old) EXPECT_TRUE(has(tier, old));
    EXPECT_EQ(files().size(), 1u);
    std::ofstream(*files().begin(), std::ios::binary | std::ios::app) << std::string(600, 'x');
  }
  DiskTier tier = open();
  EXPECT_TRUE(put(tier, 8));
  EXPECT_EQ(files().size(), 2u) << "the first is full";
  for (uint32_t n = 0; n < 9; ++n) EXPECT_TRUE(has(tier, n));
}

TEST_F(DiskTierTest, OtherFilesInTheFolderAreLeftAlone) {
  { DiskTier tier = open(); }
  const std::vector<std::string> others{"segment-zz.pages", "segment-1.pages",
                                        "segment-0000000A.pages", "segment-.pages"};
  for (const std::string& other : others) std::ofstream(folder_ / "pages" / other) << "mine";
  DiskTier tier = open();
  EXPECT_EQ(tier.bytes(), 0u);
  put(tier, 1);
  for (const std::string& other : others) EXPECT_TRUE(fs::exists(folder_ / "pages" / other));
}

TEST_F(DiskTierTest, ASegmentThatCantBeOpenedCostsItsPagesAndNotTheStart) {
  {
    DiskTier tier = open();
    for (uint32_t n = 0; n < 9; ++n) put(tier, n);
  }
  const fs::path first = *files().begin();
  fs::remove(first);
  fs::create_directory(first);  // nobody, root included, can open it for writing
  DiskTier tier = open();
  EXPECT_EQ(tier.counts().skipped, 1u);
  EXPECT_TRUE(has(tier, 8));
  for (uint32_t n = 0; n < 8; ++n) EXPECT_FALSE(has(tier, n));
  for (uint32_t n = 0; n < 20; ++n) EXPECT_TRUE(put(tier, n));
  EXPECT_TRUE(fs::exists(first));
}

// Of descriptors there are too few for all segments: those that stay closed take room all the same.
TEST_F(DiskTierTest, SegmentsThatAreSkippedCountTowardTheLimit) {
  {
    DiskTier tier = open();
    for (uint32_t n = 0; n < 9; ++n) put(tier, n);
  }
  uint64_t whole = 0;
  for (const fs::path& file : files()) whole += fs::file_size(file);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = ::open("/dev/null", O_RDONLY);
  ::close(next);
  const rlimit few{static_cast<rlim_t>(next) + 2, before.rlim_max};  // the lock and one segment
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  {
    auto tier = DiskTier::open({folder_ / "pages", whole, 0});
    ::setrlimit(RLIMIT_NOFILE, &before);
    ASSERT_TRUE(tier) << tier.error().message;
    EXPECT_GT(tier->counts().skipped, 0u);
    EXPECT_GT(tier->counts().skipped_bytes, 0u);
    EXPECT_EQ(tier->bytes(), whole);
    EXPECT_FALSE(tier->put(page_of(50, whole))) << "beside them there is no room for it";
  }
}

// The system refuses to let files grow: a write comes back short, then with an error.
TEST_F(DiskTierTest, AFullDiskCostsThePagesThatCameThen) {
  DiskTier tier = open(1 << 20, 1 << 20);
  for (uint32_t n = 0; n < 5; ++n) put(tier, n);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const uint64_t room : {0u, 20u, 100u, 600u, 900u}) {
    const rlimit full{5 * kRecord + room, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    EXPECT_FALSE(put(tier, 5)) << room;
    EXPECT_FALSE(has(tier, 5));
  }
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(tier.counts().failed, 5u);
  EXPECT_TRUE(put(tier, 5));
  for (uint32_t n = 0; n < 6; ++n) EXPECT_TRUE(has(tier, n));
}

// Puts, reads, damage and restarts in any order: what is found is right, and what was put last and
// not damaged is found as long as there is room for all.
TEST_F(DiskTierTest, AgreesWithAPlainMapThroughRandomUse) {
  for (uint64_t seed = 0; seed < testing::seeds(8); ++seed) {
    std::mt19937 random(static_cast<uint32_t>(seed));
    fs::remove_all(folder_ / "pages");
    const bool roomy = seed % 2 == 0;
    const uint64_t bytes_max = roomy ? 1 << 20 : 24 << 10;
    std::optional<DiskTier> tier(open(bytes_max, 4096));
    std::set<uint32_t> held;
    for (int i = 0; i < 150; ++i) {
      const uint32_t n = random() % 60;
      switch (random() % 8) {
        case 0:
          tier.reset();
          tier.emplace(open(bytes_max, 4096));
          break;
        case 1:
        case 2:
          ASSERT_EQ(has(*tier, n), roomy ? held.contains(n) : tier->holds(name_of(n)));
          break;
        default:
          ASSERT_TRUE(put(*tier, n));
          held.insert(n);
          ASSERT_TRUE(has(*tier, n));
      }
      if (roomy) {
        ASSERT_EQ(tier->pages(), held.size());
      }
    }
  }
}

}  // namespace
}  // namespace baton::kvcache
