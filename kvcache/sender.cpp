#include "kvcache/sender.h"

#include <algorithm>

namespace baton::kvcache {

Result<HandoffSender> HandoffSender::start(const Reserved& reserved, std::vector<PageId> pages,
                                           uint32_t tokens, PageFormat format) {
  check(format.valid(), "a hand-off needs a valid page format");
  check(pages.size() == pages_for(tokens), "a job's pages don't fit its tokens");
  const bool nothing = reserved.pages.empty() && reserved.kept > 0;
  if (nothing || reserved.pages.size() + reserved.kept != pages.size()) {
    return fail(
        ErrorCode::invalid_argument,
        "the receiver reserved {} pages and keeps {} for a job of {} tokens, which needs {}",
        reserved.pages.size(), reserved.kept, tokens, pages.size());
  }
  return HandoffSender(reserved, std::move(pages), tokens, format);
}

uint32_t HandoffSender::whole_pages() const {
  return *std::min_element(final_pages_.begin(), final_pages_.end()) - reserved_.kept;
}

HandoffSender::HandoffSender(const Reserved& reserved, std::vector<PageId> pages, uint32_t tokens,
                             PageFormat format)
    : reserved_(reserved),
      pages_(std::move(pages)),
      tokens_(tokens),
      format_(format),
      final_pages_(format.layers, reserved.kept) {}

std::vector<OutgoingFrame> HandoffSender::layer_finished(uint32_t layer, uint32_t tokens_done) {
  check(layer < format_.layers, "a layer that the cache doesn't have is finished");
  check(tokens_done <= tokens_, "more tokens are computed than the job has");
  const auto final_pages =
      tokens_done == tokens_ ? static_cast<uint32_t>(pages_.size()) : tokens_done / kPageTokens;
  std::vector<OutgoingFrame> out;
  for (uint32_t& page = final_pages_[layer]; page < final_pages; ++page, ++named_) {
    out.push_back(frame({layer, page}));
  }
  return out;
}

void HandoffSender::replace_page(uint32_t index, PageId page) {
  check(index < pages_.size(), "a page that the job doesn't have is replaced");
  if (index < reserved_.kept) {  // nothing of it is sent
    pages_[index] = page;
    return;
  }
  for (const uint32_t named : final_pages_)
    check(named <= index, "a page is replaced whose frames are on their way");
  pages_[index] = page;
}

std::vector<OutgoingFrame> HandoffSender::resend(std::span<const FrameName> names) const {
  std::vector<FrameName> once;
  for (const FrameName& name : names) {
    if (name.layer >= format_.layers || name.page >= reserved_.pages.size()) continue;
    const FrameName own{name.layer, name.page + reserved_.kept};
    if (own.page < final_pages_[own.layer]) once.push_back(own);
  }
  std::sort(once.begin(), once.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  std::vector<OutgoingFrame> out;
  out.reserve(once.size());
  for (const FrameName& name : once) out.push_back(frame(name));
  return out;
}

OutgoingFrame HandoffSender::frame(FrameName name) const {
  FrameHeader header;
  header.session = reserved_.session;
  header.page = name.page - reserved_.kept;
  header.epoch = reserved_.pages[header.page].epoch;
  header.layer = name.layer;
  header.length = tokens_in_page(tokens_, name.page) * format_.entry_bytes;
  return {header, pages_[name.page], reserved_.job};
}

}  // namespace baton::kvcache
