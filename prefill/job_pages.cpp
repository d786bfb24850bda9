#include "prefill/job_pages.h"

namespace baton::prefill {
namespace {

std::span<const TokenId> tokens_of(const Job& job) {
  return std::span(job.order.prompt).first(job.entries());
}

std::optional<PageId> last_listed(const Job& job) {
  return job.listed.empty() ? std::nullopt : std::optional(job.listed.back());
}

// What lies behind the full pages that were found: less than a page of it may be known. What is
// known of all the rest is taken by reference; of less, returned with a reference.
std::optional<kvcache::PrefixIndex::Tail> take_rest(kvcache::PrefixCache& cache, Job& job) {
  const auto rest = tokens_of(job).subspan(job.computed);
  if (rest.empty()) return std::nullopt;
  const kvcache::PageName& before =
      job.listed.empty() ? job.names.root : job.names.full[job.listed.size() - 1];
  const auto tail = cache.take_tail(last_listed(job), before, rest);
  if (!tail || tail->tokens < rest.size()) return tail;
  job.pages.push_back(tail->page);
  job.listed.push_back(tail->page);
  job.computed += tail->tokens;
  return std::nullopt;
}

}  // namespace

const kvcache::PageName* name_of_page(const Job& job, uint32_t page) {
  if (page < job.names.full.size()) return &job.names.full[page];
  return page == job.names.full.size() && job.names.tail ? &*job.names.tail : nullptr;
}

bool hold_pages(kvcache::PrefixCache& cache, Job& job, std::optional<CopyPage>& copy) {
  std::optional<kvcache::PrefixIndex::Tail> tail;
  if (job.reads_cache) {
    job.pages = cache.take(job.names.full);
    job.listed = job.pages;
    job.computed = static_cast<uint32_t>(job.pages.size()) * kPageTokens;
    tail = take_rest(cache, job);
  }
  const auto own = pages_for(job.entries()) - static_cast<uint32_t>(job.pages.size());
  auto fresh = cache.allocate(own, kvcache::PageState::filling);
  if (!fresh && tail) {  // the page that would be copied may be the one that is wanted
    cache.release(std::span(&tail->page, 1));
    tail.reset();
    fresh = cache.allocate(own, kvcache::PageState::filling);
  }
  if (!fresh) {
    release_pages(cache, job);
    return false;
  }
  for (const ReservedPage& page : *fresh) job.pages.push_back(page.page);
  if (tail) {
    // The copy is made before anything that is told later: nobody can overwrite its source.
    copy = CopyPage{tail->page, fresh->front().page, tail->tokens};
    job.computed += tail->tokens;
    cache.release(std::span(&tail->page, 1));
  }
  job.found = job.cached = job.computed;
  return true;
}

bool take_known_pages(kvcache::PrefixCache& cache, Job& job) {
  if (!job.reads_cache) return false;
  const uint32_t before = job.computed;
  while (job.computed < job.entries() && job.computed % kPageTokens == 0) {
    const uint32_t page = job.computed / kPageTokens;
    const auto known = cache.take(std::span(name_of_page(job, page), 1));
    if (known.empty()) break;
    cache.release(std::span(&job.pages[page], 1));
    job.pages[page] = known.front();
    job.listed.push_back(known.front());
    if (job.sender) job.sender->replace_page(page, known.front());
    job.computed = std::min(job.computed + kPageTokens, job.entries());
  }
  job.cached += job.computed - before;
  if (job.computed == before) return false;
  job.found = job.computed;
  job.found_layer = 0;
  return true;
}

void publish_pages(kvcache::PrefixCache& cache, Job& job) {
  for (auto page = static_cast<uint32_t>(job.listed.size()); page < job.pages.size(); ++page) {
    const uint32_t end = std::min((page + 1) * kPageTokens, job.entries());
    if (job.computed < end) return;
    cache.advance(job.pages[page], kvcache::PageState::in_use);
    const auto other = cache.publish(*name_of_page(job, page), job.pages[page], last_listed(job),
                                     end - page * kPageTokens);
    job.listed.push_back(other.value_or(job.pages[page]));
  }
}

void release_pages(kvcache::PrefixCache& cache, Job& job) {
  std::vector<PageId> held;
  for (size_t page = 0; page < job.pages.size(); ++page) {
    held.push_back(job.pages[page]);
    if (page < job.listed.size() && job.listed[page] != job.pages[page])
      held.push_back(job.listed[page]);
  }
  cache.release(held);
  job.pages.clear();
  job.listed.clear();
  job.computed = job.cached = job.found = job.found_layer = 0;
}

}  // namespace baton::prefill
