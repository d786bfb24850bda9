#include "kvcache/handoff.h"

#include <algorithm>

#include "base/result.h"

namespace baton::kvcache {

const char* to_string(FrameVerdict verdict) {
  switch (verdict) {
    case FrameVerdict::admitted:
      return "admitted";
    case FrameVerdict::unknown_session:
      return "unknown_session";
    case FrameVerdict::stale_epoch:
      return "stale_epoch";
    case FrameVerdict::out_of_range:
      return "out_of_range";
    case FrameVerdict::duplicate:
      return "duplicate";
    case FrameVerdict::corrupt:
      return "corrupt";
  }
  return "unknown";
}

namespace {

PageFormat checked(PageFormat format) {
  check(format.valid(), "a hand-off needs a valid page format");
  return format;
}

}  // namespace

HandoffReceiver::HandoffReceiver(PagePool& pool, PageFormat format, SessionLimits limits)
    : pool_(pool), format_(checked(format)), limits_(limits) {}

std::optional<SessionId> HandoffReceiver::open(JobId job, SessionId session, uint32_t tokens,
                                               Instant now) {
  if (has_tombstone(job) || sessions_.contains(job)) return std::nullopt;
  check(!by_id_.contains(session), "a session id is drawn twice");
  auto pages = pool_.allocate(pages_for(tokens), PageState::reserved);
  if (!pages) return std::nullopt;
  Session fresh;
  fresh.id = session;
  fresh.pages = std::move(*pages);
  fresh.tokens = tokens;
  fresh.verified.resize(fresh.pages.size() * format_.layers);
  fresh.missing = static_cast<uint32_t>(fresh.verified.size());
  fresh.layers.resize(fresh.pages.size());
  fresh.lease_end = now + limits_.lease;
  sessions_.emplace(job, std::move(fresh));
  by_id_.emplace(session, job);
  return session;
}

void HandoffReceiver::renew(JobId job, Instant now) {
  const auto found = sessions_.find(job);
  if (found == sessions_.end()) return;
  found->second.lease_end = std::max(found->second.lease_end, now + limits_.lease);
}

uint32_t HandoffReceiver::length_of(const Session& session, uint32_t page) const {
  return tokens_in_page(session.tokens, page) * format_.entry_bytes;
}

FrameVerdict HandoffReceiver::judge(const FrameHeader& frame) const {
  const auto job = by_id_.find(frame.session);
  if (job == by_id_.end()) return FrameVerdict::unknown_session;
  const Session& session = sessions_.at(job->second);
  if (frame.page >= session.pages.size()) return FrameVerdict::out_of_range;
  if (frame.epoch != session.pages[frame.page].epoch) return FrameVerdict::stale_epoch;
  if (frame.layer >= format_.layers || frame.length != length_of(session, frame.page)) {
    return FrameVerdict::out_of_range;
  }
  if (session.verified[size_t{frame.layer} * session.pages.size() + frame.page]) {
    return FrameVerdict::duplicate;
  }
  return FrameVerdict::admitted;
}

FrameVerdict HandoffReceiver::count(FrameVerdict verdict) {
  ++counts_[static_cast<size_t>(verdict)];
  return verdict;
}

FrameVerdict HandoffReceiver::admit(const FrameHeader& frame) {
  const FrameVerdict verdict = judge(frame);
  return verdict == FrameVerdict::admitted ? verdict : count(verdict);
}

PageId HandoffReceiver::page_of(const FrameHeader& admitted) const {
  const auto job = by_id_.find(admitted.session);
  check(job != by_id_.end(), "the page of a frame that was not admitted is asked for");
  const auto& pages = sessions_.at(job->second).pages;
  check(admitted.page < pages.size(), "the page of a frame that was not admitted is asked for");
  return pages[admitted.page].page;
}

std::optional<JobId> HandoffReceiver::job_of(SessionId session) const {
  const auto job = by_id_.find(session);
  if (job == by_id_.end()) return std::nullopt;
  return job->second;
}

FrameVerdict HandoffReceiver::landed(const FrameHeader& frame, uint32_t copied_crc, Instant now) {
  const FrameVerdict verdict = judge(frame);
  if (verdict != FrameVerdict::admitted) return count(verdict);
  if (copied_crc != frame.crc32c) return count(FrameVerdict::corrupt);
  const JobId job = by_id_.at(frame.session);
  Session& session = sessions_.at(job);
  const PageId page = session.pages[frame.page].page;
  if (pool_.state(page) == PageState::reserved) pool_.advance(page, PageState::filling);
  session.verified[size_t{frame.layer} * session.pages.size() + frame.page] = true;
  --session.missing;
  ++session.layers[frame.page];
  while (session.whole < session.pages.size() && session.layers[session.whole] == format_.layers)
    ++session.whole;
  renew(job, now);
  return count(FrameVerdict::admitted);
}

std::vector<FrameName> HandoffReceiver::missing(JobId job, size_t at_most) const {
  std::vector<FrameName> out;
  const auto found = sessions_.find(job);
  if (found == sessions_.end()) return out;
  const Session& session = found->second;
  if (session.missing == 0) return out;
  for (uint32_t layer = 0; layer < format_.layers; ++layer) {
    for (uint32_t page = 0; page < session.pages.size(); ++page) {
      if (out.size() == at_most) return out;
      if (!session.verified[size_t{layer} * session.pages.size() + page]) {
        out.push_back({layer, page});
      }
    }
  }
  return out;
}

uint32_t HandoffReceiver::whole_pages(JobId job) const {
  const auto found = sessions_.find(job);
  return found == sessions_.end() ? 0 : found->second.whole;
}

bool HandoffReceiver::complete(JobId job) const {
  const auto found = sessions_.find(job);
  return found != sessions_.end() && found->second.missing == 0;
}

void HandoffReceiver::distrust(JobId job, uint32_t page) {
  const auto found = sessions_.find(job);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  check(page < session.pages.size(), "a page that the session doesn't have is distrusted");
  for (uint32_t layer = 0; layer < format_.layers; ++layer) {
    const size_t block = size_t{layer} * session.pages.size() + page;
    if (!session.verified[block]) continue;
    session.verified[block] = false;
    ++session.missing;
  }
  session.layers[page] = 0;
  session.whole = std::min(session.whole, page);
}

std::vector<PageId> HandoffReceiver::commit(JobId job, Instant now) {
  check(complete(job), "a hand-off is committed before all its blocks are verified");
  return salvage(job, static_cast<uint32_t>(sessions_.at(job).pages.size()), now);
}

std::vector<PageId> HandoffReceiver::salvage(JobId job, uint32_t pages, Instant now) {
  std::vector<PageId> out;
  const auto found = sessions_.find(job);
  if (found == sessions_.end()) return out;
  const Session& session = found->second;
  check(pages <= session.whole, "a page is kept before all its blocks are verified");
  out.reserve(pages);
  for (uint32_t i = 0; i < session.pages.size(); ++i) {
    const PageId page = session.pages[i].page;
    if (i < pages) {
      pool_.advance(page, PageState::in_use);
      out.push_back(page);
    } else {
      pool_.release(page);
    }
  }
  end(found, now);
  return out;
}

void HandoffReceiver::abort(JobId job, Instant now) {
  const auto found = sessions_.find(job);
  if (found == sessions_.end()) {
    bury(job, now);
    return;
  }
  for (const ReservedPage& page : found->second.pages) pool_.release(page.page);
  end(found, now);
}

std::vector<JobId> HandoffReceiver::expire(Instant now) {
  std::vector<JobId> over;
  for (const auto& [job, session] : sessions_) {
    if (session.lease_end <= now) over.push_back(job);
  }
  for (const JobId job : over) abort(job, now);
  while (!burials_.empty() && burials_.front().first <= now) {
    tombstones_.erase(burials_.front().second);
    burials_.pop_front();
  }
  return over;
}

std::optional<Instant> HandoffReceiver::next_deadline() const {
  std::optional<Instant> first;
  for (const auto& [job, session] : sessions_) {
    if (!first || session.lease_end < *first) first = session.lease_end;
  }
  return first;
}

const std::vector<ReservedPage>* HandoffReceiver::pages(JobId job) const {
  const auto found = sessions_.find(job);
  return found == sessions_.end() ? nullptr : &found->second.pages;
}

uint32_t HandoffReceiver::tokens(JobId job) const {
  const auto found = sessions_.find(job);
  return found == sessions_.end() ? 0 : found->second.tokens;
}

void HandoffReceiver::end(std::map<JobId, Session>::iterator session, Instant now) {
  const JobId job = session->first;
  by_id_.erase(session->second.id);
  sessions_.erase(session);
  bury(job, now);
}

// Time only grows and every tombstone stands equally long, so burials_ stays in order. A job that
// is buried already keeps its first date.
void HandoffReceiver::bury(JobId job, Instant now) {
  if (!tombstones_.insert(job).second) return;
  burials_.emplace_back(now + limits_.tombstone, job);
  while (burials_.size() > limits_.tombstones_max) {
    tombstones_.erase(burials_.front().second);
    burials_.pop_front();
  }
}

}  // namespace baton::kvcache
