#include "kvcache/sender.h"

#include <gtest/gtest.h>

namespace baton::kvcache {
namespace {

constexpr PageFormat kFormat{3, 16};  // two layers and the MTP layer

Reserved reserved(uint32_t pages) {
  Reserved out{JobId{5}, {1, 2}, {}, "127.0.0.1:1", 10s};
  for (uint32_t i = 0; i < pages; ++i) out.pages.push_back({PageId{40 + i}, Epoch{7 + i}});
  return out;
}

std::vector<FrameName> names(const std::vector<OutgoingFrame>& frames) {
  std::vector<FrameName> out;
  for (const auto& f : frames) out.push_back({f.header.layer, f.header.page});
  return out;
}

HandoffSender sender(uint32_t tokens) {
  std::vector<PageId> pages;
  for (uint32_t i = 0; i < pages_for(tokens); ++i) pages.push_back(PageId{10 + i});
  return *HandoffSender::start(reserved(pages_for(tokens)), pages, tokens, kFormat);
}

TEST(HandoffSender, RefusesAnotherNumberOfPages) {
  const auto wrong = HandoffSender::start(reserved(3), {PageId{1}, PageId{2}}, 100, kFormat);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::invalid_argument);
}

TEST(HandoffSender, NamesFullPagesAsTheirLayerGrowsAndThePartialOneAtTheEnd) {
  auto s = sender(150);
  EXPECT_TRUE(s.layer_finished(0, 63).empty());
  EXPECT_EQ(names(s.layer_finished(0, 64)), (std::vector<FrameName>{{0, 0}}));
  EXPECT_TRUE(s.layer_finished(0, 64).empty());
  EXPECT_TRUE(s.layer_finished(0, 10).empty()) << "news that is old";
  EXPECT_EQ(names(s.layer_finished(1, 149)), (std::vector<FrameName>{{1, 0}, {1, 1}}));
  EXPECT_EQ(names(s.layer_finished(0, 150)), (std::vector<FrameName>{{0, 1}, {0, 2}}));
  EXPECT_FALSE(s.all_posted());
  s.layer_finished(1, 150);
  EXPECT_EQ(names(s.layer_finished(2, 150)), (std::vector<FrameName>{{2, 0}, {2, 1}, {2, 2}}));
  EXPECT_TRUE(s.all_posted());
}

TEST(HandoffSender, AFullLastPageIsFinalWhenItIsFull) {
  auto s = sender(128);
  EXPECT_EQ(names(s.layer_finished(0, 128)), (std::vector<FrameName>{{0, 0}, {0, 1}}));
}

TEST(HandoffSender, APageMayBeReplacedUntilAFrameOfItIsNamed) {
  auto s = sender(200);
  s.layer_finished(1, 64);
  s.replace_page(1, PageId{77});
  const auto frames = s.layer_finished(1, 128);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].page, PageId{77});
  EXPECT_DEATH(s.replace_page(1, PageId{78}), "on their way");
  EXPECT_DEATH(s.replace_page(4, PageId{78}), "doesn't have");
}

TEST(HandoffSender, FramesSayWhatTheReceiverExpects) {
  auto s = sender(70);
  const auto frames = s.layer_finished(2, 70);
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(frames[1].header, (FrameHeader{{1, 2}, Epoch{8}, 2, 1, 6 * 16, 0}));
  EXPECT_EQ(frames[0].header.length, 64u * 16);
  EXPECT_EQ(frames[1].page, PageId{11});
  EXPECT_EQ(s.session(), (SessionId{1, 2}));
  EXPECT_EQ(s.job(), JobId{5});
  EXPECT_EQ(s.frame_address(), "127.0.0.1:1");
}

TEST(HandoffSender, SendsAgainOnlyWhatWasSentAndEachOnce) {
  auto s = sender(150);
  s.layer_finished(1, 128);
  const std::vector<FrameName> asked{{1, 1}, {1, 2}, {0, 0}, {1, 0}, {1, 1}, {9, 0}, {1, 99}};
  EXPECT_EQ(names(s.resend(asked)), (std::vector<FrameName>{{1, 0}, {1, 1}}));
}

TEST(HandoffSender, OfPagesThatTheReceiverKeepsNothingIsSent) {
  Reserved two = reserved(2);
  two.kept = 2;
  const std::vector<PageId> pages{PageId{10}, PageId{11}, PageId{12}, PageId{13}};
  auto s = *HandoffSender::start(two, pages, 200, kFormat);
  EXPECT_EQ(s.sent().size(), 2u);
  EXPECT_EQ(s.sent_tokens(), 72u);
  EXPECT_EQ(s.layer_finished(0, 190).size(), 0u);
  EXPECT_EQ(s.layer_finished(0, 192).size(), 1u);
  EXPECT_FALSE(s.all_posted());
  s.replace_page(1, PageId{77});  // one that is kept may lie anywhere
  const auto frames = s.layer_finished(0, 200);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].header, (FrameHeader{{1, 2}, Epoch{8}, 0, 1, 8 * 16, 0}));
  EXPECT_EQ(frames[0].page, PageId{13});
  EXPECT_EQ(s.layer_finished(1, 128).size(), 0u);
  EXPECT_EQ(s.layer_finished(1, 200).size(), 2u);
  EXPECT_EQ(s.layer_finished(2, 200).size(), 2u);
  EXPECT_TRUE(s.all_posted());
  const std::vector<FrameName> asked{{2, 1}, {2, 2}, {0, 0}};
  const auto again = s.resend(asked);
  EXPECT_EQ(names(again), (std::vector<FrameName>{{0, 0}, {2, 1}}));
  EXPECT_EQ(again[0].page, PageId{12});

  two.kept = 1;
  EXPECT_FALSE(HandoffSender::start(two, pages, 200, kFormat)) << "one page has no place";
  two.pages.clear();
  two.kept = 4;
  EXPECT_FALSE(HandoffSender::start(two, pages, 200, kFormat)) << "one page is sent at least";
}

TEST(HandoffSender, AJobWithoutTokensIsPostedAtOnce) {
  auto s = sender(0);
  EXPECT_TRUE(s.all_posted());
  EXPECT_TRUE(s.layer_finished(0, 0).empty());
}

TEST(HandoffSenderDeath, StopsAtALayerOrATokenThatTheJobDoesNotHave) {
  auto s = sender(70);
  EXPECT_DEATH(s.layer_finished(3, 1), "doesn't have");
  EXPECT_DEATH(s.layer_finished(0, 71), "more tokens");
}

TEST(HandoffSender, APageIsWholeOnceAllItsLayersWereNamed) {
  auto s = sender(150);
  for (const uint32_t layer : {0, 1}) s.layer_finished(layer, 130);
  EXPECT_EQ(s.whole_pages(), 0u);
  s.layer_finished(2, 64);
  EXPECT_EQ(s.whole_pages(), 1u);
  for (const uint32_t layer : {2, 1, 0}) s.layer_finished(layer, 150);
  EXPECT_EQ(s.whole_pages(), 3u);
}

}  // namespace
}  // namespace baton::kvcache
