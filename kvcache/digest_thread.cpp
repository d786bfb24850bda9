#include "kvcache/digest_thread.h"

#include <boost/asio/post.hpp>

namespace baton::kvcache {

DigestThread::DigestThread(boost::asio::any_io_executor executor, const PoolMemory& memory,
                           OnDone on_done)
    : executor_(std::move(executor)),
      memory_(memory),
      on_done_(std::make_shared<const OnDone>(std::move(on_done))) {}

DigestThread::~DigestThread() {
  thread_.stop();
  thread_.join();
}

void DigestThread::digest(JobId job, std::vector<PageId> pages, uint32_t tokens) {
  auto work = [this, job, pages = std::move(pages), tokens,
               listener = std::weak_ptr<const OnDone>(on_done_)] {
    auto answer = [listener, job, digests = page_digests(memory_, pages, tokens)]() mutable {
      if (const auto on_done = listener.lock()) (*on_done)(job, std::move(digests));
    };
    boost::asio::post(executor_, std::move(answer));
  };
  boost::asio::post(thread_, std::move(work));
}

}  // namespace baton::kvcache
