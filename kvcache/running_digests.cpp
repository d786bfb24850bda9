#include "kvcache/running_digests.h"

#include <utility>

namespace baton::kvcache {

void RunningDigests::add(JobId job, PageId page, uint32_t layer, std::span<const std::byte> block) {
  DigestStream* const stream = turn_of(job, page, layer);
  if (stream == nullptr) return;
  stream->update(block);
  end_turn(page, true);
}

DigestStream* RunningDigests::turn_of(JobId job, PageId page, uint32_t layer) {
  if (layer == 0) begin(job, page);
  const auto found = by_page_.find(page.value);
  if (found == by_page_.end() || found->second->job != job) return nullptr;
  BegunDigest& begun = *found->second->begun;
  return begun.layers == layer ? &begun.stream : nullptr;
}

void RunningDigests::end_turn(PageId page, bool whole) {
  if (whole)
    ++by_page_.at(page.value)->begun->layers;
  else
    drop(page);
}

void RunningDigests::drop(PageId page) {
  const auto found = by_page_.find(page.value);
  if (found == by_page_.end()) return;
  entries_.erase(found->second);
  by_page_.erase(found);
}

void RunningDigests::begin(JobId job, PageId page) {
  drop(page);
  if (pages_max_ == 0) return;
  if (entries_.size() == pages_max_) {
    by_page_.erase(entries_.front().page.value);
    entries_.pop_front();
  }
  entries_.push_back({job, page, std::make_unique<BegunDigest>()});
  by_page_[page.value] = std::prev(entries_.end());
}

std::unique_ptr<BegunDigest> RunningDigests::take(JobId job, PageId page) {
  const auto found = by_page_.find(page.value);
  if (found == by_page_.end() || found->second->job != job) return nullptr;
  auto begun = std::move(found->second->begun);
  entries_.erase(found->second);
  by_page_.erase(found);
  return begun;
}

Digest finish(std::unique_ptr<BegunDigest> begun, const PoolMemory& memory, PageId page,
              uint32_t tokens) {
  if (!begun) return page_digest(memory, page, tokens);
  check(tokens <= kPageTokens, "a page holds 64 tokens");
  const size_t bytes = size_t{tokens} * memory.format().entry_bytes;
  for (; begun->layers < memory.format().layers; ++begun->layers)
    begun->stream.update(memory.block(page, begun->layers).first(bytes));
  return begun->stream.finish();
}

}  // namespace baton::kvcache
