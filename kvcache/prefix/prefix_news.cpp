#include "kvcache/prefix/prefix_news.h"

#include <unordered_map>

namespace baton::kvcache {

PrefixChanges PrefixNews::next(const PrefixIndex& index) const {
  const PageLog& log = index.log();
  PrefixChanges news;
  news.end = log.end();
  const auto changes = log.read(seen_, limits_.changes_max);
  if (!changes) {
    news.whole = true;
    news.from = news.to = log.end();
    news.came = index.short_names(limits_.whole_max);
    return news;
  }
  news.from = seen_;
  news.to = seen_ + changes->size();
  std::unordered_map<uint64_t, bool> last;
  for (const PageChange& change : *changes) last[change.name] = change.held;
  for (const PageChange& change : *changes) {  // in their order, so that equal logs tell the same
    const auto found = last.find(change.name);
    if (found == last.end()) continue;
    (found->second ? news.came : news.went).push_back(change.name);
    last.erase(found);
  }
  return news;
}

}  // namespace baton::kvcache
