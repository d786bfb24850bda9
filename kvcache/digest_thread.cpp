#include "kvcache/digest_thread.h"

#include <boost/asio/post.hpp>

namespace baton::kvcache {

DigestThread::DigestThread(boost::asio::any_io_executor executor, const PoolMemory& memory,
                           OnDone on_done, RunningDigests* running)
    : executor_(std::move(executor)),
      memory_(memory),
      running_(running),
      on_done_(std::make_shared<const OnDone>(std::move(on_done))) {}

DigestThread::~DigestThread() {
  thread_.stop();
  thread_.join();
}

void DigestThread::digest(JobId job, std::vector<PageId> pages, uint32_t tokens) {
  std::vector<std::unique_ptr<BegunDigest>> begun(pages.size());
  for (size_t i = 0; running_ != nullptr && i < pages.size(); ++i)
    begun[i] = running_->take(job, pages[i]);
  auto work = [this, job, pages = std::move(pages), begun = std::move(begun), tokens,
               listener = std::weak_ptr<const OnDone>(on_done_)]() mutable {
    std::vector<Digest> digests;
    digests.reserve(pages.size());
    for (uint32_t i = 0; i < pages.size(); ++i)
      digests.push_back(finish(std::move(begun[i]), memory_, pages[i], tokens_in_page(tokens, i)));
    auto answer = [listener, job, digests = std::move(digests)]() mutable {
      if (const auto on_done = listener.lock()) (*on_done)(job, std::move(digests));
    };
    boost::asio::post(executor_, std::move(answer));
  };
  boost::asio::post(thread_, std::move(work));
}

}  // namespace baton::kvcache
