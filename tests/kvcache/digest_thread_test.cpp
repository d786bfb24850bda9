#include "kvcache/digest_thread.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

namespace baton::kvcache {
namespace {

class DigestThreadTest : public ::testing::Test {
 protected:
  DigestThreadTest() {
    for (uint32_t page = 0; page < memory_.pages(); ++page)
      memory_.entry(PageId{page}, 1, 3)[0] = std::byte(page + 1);
    digests_.emplace(io_.get_executor(), memory_, [this](JobId job, std::vector<Digest> digests) {
      answers_.emplace_back(job, std::move(digests));
    });
  }

  boost::asio::io_context io_;
  PoolMemory memory_ = *PoolMemory::create_private({2, 8}, 4);
  std::vector<std::pair<JobId, std::vector<Digest>>> answers_;
  std::optional<DigestThread> digests_;
};

TEST_F(DigestThreadTest, AnswersInTurnWithTheDigestOfEachPage) {
  const auto guard = boost::asio::make_work_guard(io_);
  const std::vector<PageId> first{PageId{2}, PageId{0}}, second{PageId{3}};
  digests_->digest(JobId{1}, first, 100);
  digests_->digest(JobId{2}, second, 4);
  EXPECT_TRUE(answers_.empty());
  while (answers_.size() < 2 && io_.run_one_for(std::chrono::seconds(60)) > 0) {
  }
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_EQ(answers_[0], std::pair(JobId{1}, page_digests(memory_, first, 100)));
  EXPECT_EQ(answers_[1], std::pair(JobId{2}, page_digests(memory_, second, 4)));
}

TEST_F(DigestThreadTest, IsSilentOnceDestroyed) {
  for (uint64_t job = 1; job <= 3; ++job) digests_->digest(JobId{job}, {PageId{1}}, 64);
  digests_.reset();
  io_.run();
  EXPECT_TRUE(answers_.empty());
}

}  // namespace
}  // namespace baton::kvcache
