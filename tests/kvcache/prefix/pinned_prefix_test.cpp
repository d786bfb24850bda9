#include "kvcache/prefix/pinned_prefix.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace baton::kvcache {
namespace {

class PinnedPrefixTest : public testing::Test {
 protected:
  ~PinnedPrefixTest() override { std::filesystem::remove(file_); }
  Result<std::vector<PinnedPrefix>> load(const std::string& text) {
    std::ofstream(file_) << text;
    return load_pinned_prefixes(file_);
  }
  const std::filesystem::path file_ = std::filesystem::temp_directory_path() /
                                      ("baton-pins-" + std::to_string(::getpid()) + ".jsonl");
};

TEST_F(PinnedPrefixTest, ALineIsAPrefix) {
  const auto pins = load(
      "{\"token_ids\": [1, 2, 3]}\n\n{\"token_ids\": [], \"tenant\": \"t\", \"cache_salt\": "
      "\"s\"}\r\n");
  ASSERT_TRUE(pins) << pins.error().message;
  EXPECT_EQ(*pins, (std::vector<PinnedPrefix>{{{1, 2, 3}, "", ""}, {{}, "t", "s"}}));
  EXPECT_TRUE(load("")->empty());
}

TEST_F(PinnedPrefixTest, WhatIsNoneIsRefusedWithItsLine) {
  for (const char* wrong :
       {"nonsense", "[1]", "{}", "{\"token_ids\": 1}", "{\"token_ids\": [-1]}",
        "{\"token_ids\": [1.5]}", "{\"token_ids\": [4294967296]}",
        "{\"token_ids\": [1], \"tenant\": 1}", "{\"token_ids\": [1], \"prompt\": \"x\"}"}) {
    const auto pins = load("{\"token_ids\": [1]}\n" + std::string(wrong));
    ASSERT_FALSE(pins) << wrong;
    EXPECT_EQ(pins.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(pins.error().message.find("line 2"), std::string::npos) << pins.error().message;
  }
  EXPECT_FALSE(load_pinned_prefixes("/nonexistent/pins"));
}

TEST_F(PinnedPrefixTest, ItIsPinnedForItsTenantAlone) {
  const PageNamer namer(Manifest{}, "secret");
  PrefixCache cache({.pages = 8}, true);
  const std::vector<TokenId> tokens(100, 7);
  pin_all(cache, namer, {{tokens, "t", ""}});
  for (const char* tenant : {"other", "t"}) {
    const auto names = namer.names(cache_tenant(tenant, ""), tokens);
    ASSERT_EQ(names.full.size(), 1u);
    const PageId page = cache.allocate(1, PageState::in_use)->front().page;
    cache.publish(names.full[0], page, std::nullopt, kPageTokens);
    cache.release(std::span(&page, 1));
    EXPECT_EQ(cache.pinned().size(), tenant == std::string("t") ? 1u : 0u);
  }
  EXPECT_EQ(broken_invariant(cache), std::nullopt);
}

}  // namespace
}  // namespace baton::kvcache
