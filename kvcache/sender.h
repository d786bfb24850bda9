// HandoffSender: the sending side of one job's hand-off, as a pure machine.
//
// It knows the job's pages in the sender's own pool and how far each layer is computed, and names
// the frames that may be posted: a block is final for a layer once all its tokens, or on the last
// page all the tokens there are, are computed in that layer. The MTP layer is simply the last
// layer. Of pages that the receiver keeps nothing is named; frames count pages behind these.
// Invariant: a frame is named by layer_finished() once; after that only by resend(). It
// reads no byte; transport/ sends them. Thread safety: its owner's thread only.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kvcache/handoff.h"
#include "kvcache/pool_memory.h"
#include "proto/handoff.h"

namespace baton::kvcache {

// A frame to be sent: its header without the checksum, and the page it lies in here.
struct OutgoingFrame {
  FrameHeader header;
  PageId page;
  JobId job{};
  friend bool operator==(const OutgoingFrame&, const OutgoingFrame&) = default;
};

class HandoffSender {
 public:
  // `pages` are the job's pages here, for `tokens` = n - 1 entries. Error: invalid_argument if the
  // receiver reserved another number of pages than those that it doesn't keep; it may
  // not keep all.
  static Result<HandoffSender> start(const Reserved& reserved, std::vector<PageId> pages,
                                     uint32_t tokens, PageFormat format);

  // The layer's entries of the tokens before `tokens_done` are computed; returns the frames that
  // became final by it. What was known before returns none.
  std::vector<OutgoingFrame> layer_finished(uint32_t layer, uint32_t tokens_done);

  // The receiver asks again: the frames of `names` that were named before, each once. Others are
  // left out: they come when they are final, or never were.
  std::vector<OutgoingFrame> resend(std::span<const FrameName> names) const;

  // The job's page number `index`, of which no frame was named yet, lies elsewhere.
  void replace_page(uint32_t index, PageId page);

  // So many of the sent pages, from the first on, were named in all layers.
  uint32_t whole_pages() const;
  bool all_posted() const { return named_ == size_t{format_.layers} * sent().size(); }

  JobId job() const { return reserved_.job; }
  SessionId session() const { return reserved_.session; }
  const std::string& frame_address() const { return reserved_.frame_address; }
  const std::vector<PageId>& pages() const { return pages_; }
  // Those that the receiver does not keep, and how many entries they have.
  std::span<const PageId> sent() const { return std::span(pages_).subspan(reserved_.kept); }
  uint32_t sent_tokens() const { return tokens_ - reserved_.kept * kPageTokens; }
  uint32_t kept() const { return reserved_.kept; }

 private:
  HandoffSender(const Reserved& reserved, std::vector<PageId> pages, uint32_t tokens,
                PageFormat format);
  OutgoingFrame frame(FrameName name) const;

  Reserved reserved_;
  std::vector<PageId> pages_;
  uint32_t tokens_ = 0;
  PageFormat format_;
  std::vector<uint32_t> final_pages_;  // by layer: so many of the first pages were named
  size_t named_ = 0;
};

}  // namespace baton::kvcache
