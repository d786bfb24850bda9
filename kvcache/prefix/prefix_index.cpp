#include "kvcache/prefix/prefix_index.h"

#include <fmt/format.h>

#include <bit>

#include "base/result.h"

namespace baton::kvcache {

PrefixIndex::PrefixIndex(PrefixIndexOptions options)
    : options_(options),
      entries_(options.pages),
      table_(std::bit_ceil(std::max<size_t>(size_t{options.pages} * 2, 2))),
      policy_(options.eviction),
      victims_(options.pages),
      log_(options.log_changes_max) {}

PrefixIndex::Entry& PrefixIndex::at(PageId page) {
  Entry& entry = entries_[page.value];
  check(entry.state != State::none, "a page that is not listed is used as a prefix");
  return entry;
}

// ---- the table by name -------------------------------------------------------------------------

std::optional<PageId> PrefixIndex::find(const PageName& name) const {
  const uint32_t wanted = tag(name);
  for (size_t i = home(name);; i = (i + 1) & (table_.size() - 1)) {
    const Slot& slot = table_[i];
    if (slot.page == kNobody) return std::nullopt;
    if (slot.tag == wanted && entries_[slot.page].name == name) return PageId{slot.page};
  }
}

void PrefixIndex::add_slot(uint32_t page) {
  const PageName& name = entries_[page].name;
  size_t i = home(name);
  while (table_[i].page != kNobody) i = (i + 1) & (table_.size() - 1);
  table_[i] = {tag(name), page};
}

// Those behind it that it kept from their home move up, so that no marks of the dead are left.
void PrefixIndex::drop_slot(uint32_t page) {
  const size_t mask = table_.size() - 1;
  size_t hole = home(entries_[page].name);
  while (table_[hole].page != page) hole = (hole + 1) & mask;
  for (size_t i = (hole + 1) & mask; table_[i].page != kNobody; i = (i + 1) & mask) {
    const size_t wanted = home(entries_[table_[i].page].name);
    if (((i - wanted) & mask) < ((i - hole) & mask)) continue;
    table_[hole] = table_[i];
    hole = i;
  }
  table_[hole] = {};
}

// ---- what is found -----------------------------------------------------------------------------

// A large table is in no cache of the processor: what will be read is asked for some names ahead.
std::vector<PageId> PrefixIndex::match(std::span<const PageName> names) const {
  constexpr size_t kAhead = 8;
  const auto slot_of = [&](size_t i) -> const Slot& { return table_[home(names[i])]; };
  for (size_t i = 0; i < std::min(names.size(), 2 * kAhead); ++i) __builtin_prefetch(&slot_of(i));
  std::vector<PageId> pages;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i + 2 * kAhead < names.size()) __builtin_prefetch(&slot_of(i + 2 * kAhead));
    if (i + kAhead < names.size())
      if (const uint32_t page = slot_of(i + kAhead).page; page != kNobody)
        __builtin_prefetch(&entries_[page]);
    const auto page = find(names[i]);
    if (!page) break;
    pages.push_back(*page);
  }
  return pages;
}

uint64_t PrefixIndex::tail_lengths(std::optional<PageId> before) const {
  return before ? entries_[before->value].tail_lengths : root_tail_lengths_;
}

std::optional<PrefixIndex::Tail> PrefixIndex::match_tail(std::optional<PageId> before,
                                                         const PageName& before_name,
                                                         std::span<const TokenId> tokens) const {
  const uint64_t lengths = tail_lengths(before);
  for (auto t = static_cast<uint32_t>(std::min<size_t>(tokens.size(), kPageTokens - 1)); t > 0; --t)
    if (lengths >> t & 1)
      if (const auto page = find(page_name(before_name, tokens.first(t)))) return Tail{*page, t};
  return std::nullopt;
}

// ---- what changes ------------------------------------------------------------------------------

bool PrefixIndex::insert(const PageName& name, PageId page, std::optional<PageId> before,
                         uint32_t tokens) {
  check(page.value < entries_.size(), "a page that the pool doesn't have is listed");
  check(tokens > 0 && tokens <= kPageTokens, "a page holds 1 to 64 tokens");
  Entry& entry = entries_[page.value];
  check(entry.state == State::none, "a page is listed twice");
  if (find(name)) return false;
  entry = {};
  entry.name = name;
  entry.state = tokens == kPageTokens ? State::full : State::tail;
  entry.pins = 1;
  entry.last = clock_;
  if (before) {
    Entry& above = at(*before);
    check(above.state == State::full && above.pins > 0, "a page hangs below one that may go");
    entry.above = before->value;
    entry.depth = above.depth + 1;
    ++above.below;
    if (!above.continued) entry.hits = above.hits;
    above.continued |= entry.state == State::full;
  }
  if (entry.state == State::tail)
    (before ? entries_[before->value].tail_lengths : root_tail_lengths_) |= uint64_t{1} << tokens;
  add_slot(page.value);
  ++size_;
  log_.append({name.short_name(), true});
  return true;
}

void PrefixIndex::use(PageId page) {
  Entry& entry = at(page);
  policy_.reused(clock_ - entry.last);
  if (entry.hits < EvictionPolicy::kHitsMax) ++entry.hits;
  pin(page);
}

void PrefixIndex::pin(PageId page) {
  Entry& entry = at(page);
  if (entry.pins++ > 0) return;
  --unpinned_;
  victims_.remove(page.value);
}

void PrefixIndex::unpin(PageId page) {
  Entry& entry = at(page);
  check(entry.pins > 0, "a page is unpinned more often than pinned");
  entry.last = ++clock_;
  if (--entry.pins > 0) return;
  ++unpinned_;
  victims_.rate(page.value, policy_.worth({entry.last, entry.hits, entry.depth}));
  if (entry.below == 0) victims_.push(page.value);
}

std::optional<PageId> PrefixIndex::evict() {
  const auto page = victims_.least();
  if (!page) return std::nullopt;
  victims_.remove(*page);
  drop_slot(*page);
  Entry& entry = entries_[*page];
  log_.append({entry.name.short_name(), false});
  if (entry.above != kNobody) {
    Entry& above = entries_[entry.above];
    if (--above.below == 0) {
      above.tail_lengths = 0;
      above.continued = false;
      if (above.pins == 0) victims_.push(entry.above);
    }
  }
  entry = {};
  --size_;
  --unpinned_;
  return PageId{*page};
}

// ---- what is told ------------------------------------------------------------------------------

std::vector<uint64_t> PrefixIndex::short_names(size_t at_most) const {
  std::vector<uint64_t> names;
  names.reserve(std::min<size_t>(at_most, size_));
  for (const Entry& entry : entries_) {
    if (names.size() >= at_most) break;
    if (entry.state != State::none) names.push_back(entry.name.short_name());
  }
  return names;
}

size_t PrefixIndex::bytes() const {
  return entries_.capacity() * sizeof(Entry) + table_.capacity() * sizeof(Slot) + victims_.bytes();
}

std::optional<std::string> broken_invariant(const PrefixIndex& index) {
  using State = PrefixIndex::State;
  const auto& entries = index.entries_;
  std::vector<uint32_t> below(entries.size());
  uint32_t size = 0, unpinned = 0, slots = 0;
  for (const auto& slot : index.table_) slots += slot.page != PrefixIndex::kNobody;
  for (uint32_t page = 0; page < entries.size(); ++page) {
    const auto& entry = entries[page];
    if (entry.state == State::none) continue;
    ++size;
    unpinned += entry.pins == 0;
    if (index.find(entry.name) != PageId{page})
      return fmt::format("page {} is not found by its name", page);
    if (entry.above == PrefixIndex::kNobody) continue;
    const auto& above = entries[entry.above];
    ++below[entry.above];
    if (above.state != State::full)
      return fmt::format("page {} hangs below page {}, which is not a full one that is listed",
                         page, entry.above);
    if (entry.pins > 0 && above.pins == 0)
      return fmt::format("page {} is pinned, and page {} above it is not", page, entry.above);
    if (entry.depth != above.depth + 1) return fmt::format("page {} has a wrong depth", page);
  }
  for (uint32_t page = 0; page < entries.size(); ++page) {
    const auto& entry = entries[page];
    if (entry.below != below[page])
      return fmt::format("page {} counts {} pages below it, but has {}", page, entry.below,
                         below[page]);
    const bool may_go = entry.state != State::none && entry.pins == 0 && entry.below == 0;
    if (may_go != index.victims_.contains(page))
      return fmt::format("page {} may be evicted and nobody knows, or the reverse", page);
  }
  if (size != index.size_ || slots != size || unpinned != index.unpinned_)
    return fmt::format(
        "the index counts {} pages, {} of them not pinned, but has {}, {} and {} "
        "slots",
        index.size_, index.unpinned_, size, unpinned, slots);
  return std::nullopt;
}

}  // namespace baton::kvcache
