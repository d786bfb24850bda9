// DecodeState: who gets pages and places, in which order, and who gives way.
#include <algorithm>
#include <tuple>
#include <utility>

#include "decode/decode_state.h"

namespace baton::decode {

scheduler::Standing DecodeState::standing(const Request& request) const {
  return {request.state.priority, now_ - request.born, request.state.tenant, request.arrival};
}

std::optional<DecodeState::Map::iterator> DecodeState::first_in(Phase phase) {
  std::optional<Map::iterator> first;
  for (auto it = requests_.begin(); it != requests_.end(); ++it) {
    if (it->second.phase != phase) continue;
    if (!first || fair_.before(standing(it->second), standing((*first)->second))) first = it;
  }
  return first;
}

// What may be taken from the cache instead of being sent or filled. A prompt that is scored takes
// nothing: its scores come from computing.
std::span<const kvcache::PageName> DecodeState::readable(const Request& request) const {
  if (request.state.report.prompt_logprobs) return {};
  return request.names;
}

// The full pages of its prompt are here, whole: others can take them. Of one that somebody else has
// published meanwhile there is one from now on: nothing reads the other yet.
void DecodeState::publish(Request& request) {
  std::optional<PageId> before;
  for (size_t i = 0; i < request.names.size(); ++i) {
    PageId& page = request.prompt_pages[i];
    if (!cache_.index().listed(page)) {
      if (const auto other = cache_.publish(request.names[i], page, before, kPageTokens)) {
        cache_.release(std::span(&page, 1));
        page = *other;
      }
    }
    before = page;
  }
}

void DecodeState::on(const SchedulerSaw& saw) {
  news_.seen(saw.position);
  news_due_ = now_;
}

// Requests without a prefill get their pages here, in order: all or nothing.
void DecodeState::give_pages() {
  for (auto next = first_in(Phase::wants_pages); next; next = first_in(Phase::wants_pages)) {
    Request& request = (*next)->second;
    const auto known = cache_.known(readable(request));
    if (cache_.room() - known.idle < request.need.total() - known.pages) break;
    request.prompt_pages = cache_.take(readable(request).first(known.pages));
    request.filled = known.pages * kPageTokens;
    const uint32_t kept = std::min(known.pages, request.kept.value_or(known.pages));
    request.times.cached_tokens = kept * kPageTokens;
    counts_.pages_kept += kept;
    const auto prompt =
        cache_.allocate(request.need.prompt - known.pages, kvcache::PageState::in_use);
    const auto growth = cache_.allocate(request.need.growth, kvcache::PageState::reserved);
    check(prompt && growth, "pages that were counted as free are not");
    for (const ReservedPage& page : *prompt) request.prompt_pages.push_back(page.page);
    for (const ReservedPage& page : *growth) request.growth_pages.push_back(page.page);
    request.phase = Phase::waiting;
    request.times.queued = now_ - request.submitted;
    request.phase_since = now_;
    request.local = true;
    beat_due_ = true;
  }
}

// Places in the batch that running requests hold: one for each choice, from the start to the end.
uint32_t DecodeState::places_used() const {
  uint32_t places = 0;
  for (const auto& [id, request] : requests_) {
    if (request.phase == Phase::filling) places += request.state.choices;
    if (request.phase == Phase::running) places += request.open_choices;
  }
  return places;
}

void DecodeState::join_batch() {
  for (auto next = first_in(Phase::waiting); next; next = first_in(Phase::waiting)) {
    const Map::iterator it = *next;
    Request& request = it->second;
    const bool fills = request.local && request.filled + 1 < request.state.prompt.size();
    if (request.state.stop.max_tokens == 0 && !fills) {
      conclude(it);
      continue;
    }
    // A wide request is not overtaken for ever.
    if (request.state.choices > setup_.limits.places() - places_used()) break;
    fair_.charge(request.state.tenant, request.state.choices);
    if (fills)
      fill(it);
    else
      run(it);
  }
}

// Choice 0 takes the prompt's pages; the others share the full ones and copy the partial one.
std::vector<PageId> DecodeState::pages_of_choice(Request& request, ChoiceIndex choice) {
  const auto entries = static_cast<uint32_t>(request.state.prompt.size()) - 1;
  const uint32_t whole = pages_for(uint64_t{entries} + tokens_ahead(request.state, setup_.limits));
  const uint32_t full = entries / kPageTokens;
  std::vector<PageId> pages = request.prompt_pages;
  if (choice > 0) {
    pages.resize(full);
    cache_.hold(pages);
  }
  while (pages.size() < whole) {
    const PageId page = request.growth_pages.back();
    request.growth_pages.pop_back();
    cache_.advance(page, kvcache::PageState::filling);
    cache_.advance(page, kvcache::PageState::in_use);
    pages.push_back(page);
  }
  if (choice > 0 && entries % kPageTokens != 0)
    actions_.push_back(CopyPage{request.prompt_pages[full], pages[full]});
  return pages;
}

// Before a step every sequence gets the page that it may write next. If there is none the request
// that holds pages and is last in order gives way, and be it this one. So the first in order always
// goes on, and nobody gives way to a younger one.
void DecodeState::grow() {
  while (Sequence* sequence = batch_.short_of_pages()) {
    if (const auto page = cache_.allocate(1, kvcache::PageState::in_use)) {
      sequence->pages.push_back(page->front().page);
    } else {
      preempt();
    }
  }
}

void DecodeState::preempt() {
  std::optional<Map::iterator> last;
  for (auto it = requests_.begin(); it != requests_.end(); ++it) {
    const Request& request = it->second;
    const bool holds = request.phase == Phase::at_prefill ? handoffs_.holds_pages(it->first)
                                                          : request.phase != Phase::wants_pages &&
                                                                request.phase != Phase::compiling;
    if (!holds) continue;
    if (!last || gives_way_before(request, (*last)->second)) last = it;
  }
  check(last.has_value(), "a pool is full and nobody holds its pages");
  ++counts_.preempted;
  give_up(*last, GiveUp::preempted, std::nullopt, "older requests needed its pages");
}

// By priority and age alone: who is served least must not change who gives way while nobody has
// made progress.
bool DecodeState::gives_way_before(const Request& a, const Request& b) const {
  const auto rank = [this](const Request& r) {
    return std::tuple(scheduler::effective_priority(r.state.priority, now_ - r.born), r.born,
                      r.arrival);
  };
  return rank(a) > rank(b);
}

// Of each sequence all pages in a row, from the first on: the cache lets go of the last first.
void DecodeState::release(const std::vector<PageId>& pages) { cache_.release(pages); }

}  // namespace baton::decode
