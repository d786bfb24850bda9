#include "scheduler/prefix_view.h"

#include <fmt/format.h>

namespace baton::scheduler {

// Where changes begin before what is known they say again how each of their names ended up; so only
// a gap, and what ends before what is known, is not taken.
void PrefixView::take(View& view, const PrefixChanges& changes) {
  if (changes.whole) {
    if (view.told && changes.to < view.position) return;
    view.names.clear();
  } else if (changes.from > view.position || changes.to < view.position ||
             (!view.told && changes.from > 0)) {
    return;
  }
  for (const uint64_t name : changes.went) view.names.erase(name);
  for (const uint64_t name : changes.came)
    if (view.names.size() < limits_.names_max) view.names.insert(name);
  view.position = changes.to;
  view.told = true;
}

uint64_t PrefixView::update(const Heartbeat& heartbeat, Instant now) {
  if (heartbeat.role == Role::kvstore) return 0;  // a kvstore's pages are nobody's in particular
  const bool keeps = heartbeat.prefixes || heartbeat.load.pages.cached > 0;
  const auto found = views_.find(heartbeat.peer.incarnation);
  if (!keeps && found == views_.end()) return 0;
  View& view = found == views_.end() ? views_[heartbeat.peer.incarnation] : found->second;
  if (heartbeat.prefixes) take(view, *heartbeat.prefixes);
  const bool behind = heartbeat.prefixes ? view.position < heartbeat.prefixes->end || !view.told
                                         : heartbeat.load.pages.cached > 0 && !view.told;
  if (!behind)
    view.behind_since.reset();
  else if (!view.behind_since)
    view.behind_since = now;
  return view.told ? view.position : 0;
}

uint64_t PrefixView::position(Incarnation instance) const {
  const auto found = views_.find(instance);
  return found != views_.end() && found->second.told ? found->second.position : 0;
}

uint32_t PrefixView::held(Incarnation instance, std::span<const uint64_t> prefix) const {
  const auto found = views_.find(instance);
  if (found == views_.end()) return 0;
  uint32_t pages = 0;
  while (pages < prefix.size() && found->second.names.contains(prefix[pages])) ++pages;
  return pages;
}

uint32_t PrefixView::size(Incarnation instance) const {
  const auto found = views_.find(instance);
  return found == views_.end() ? 0 : static_cast<uint32_t>(found->second.names.size());
}

bool PrefixView::late(Incarnation instance, Instant now) const {
  const auto found = views_.find(instance);
  return found != views_.end() && found->second.behind_since &&
         now - *found->second.behind_since > limits_.late_after;
}

std::optional<std::string> broken_invariant(const PrefixView& view) {
  for (const auto& [instance, known] : view.views_) {
    if (known.names.size() > view.limits_.names_max)
      return fmt::format("more prefixes of instance {} are known than the limit", instance.value);
    if (!known.told && !known.names.empty()) return "prefixes are known that nobody has told";
  }
  return std::nullopt;
}

}  // namespace baton::scheduler
