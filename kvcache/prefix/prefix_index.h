// PrefixIndex: which pages of a pool hold which prefixes, and which of them goes when room is
// needed. It moves no page between states (prefix_cache.h does) and reads no byte.
//
// A listed page has a name, and hangs below the page that comes before it in its prompt, or below a
// root (its tenant's). It is pinned by everyone who uses it; what is pinned, or has a page below
// it, is never evicted: so what is found is always a prefix from its first page on. The partial
// last page of a prompt is listed too, under the name of as many tokens as it has; full pages and
// tails can hang below full pages only.
// Invariants (broken_invariant): a page above a pinned one is pinned; the pages that may be evicted
// are those that nobody has pinned and nothing hangs below; each listed page is found by its name.
// The first full page that is listed below a page goes on with the same conversation: it inherits
// the page's hits, since both will be wanted again together.
// A name is 256 bits of SHA-256, which nobody can make collide: token ids are not kept.
// Memory is taken at the start, for all pages. Pure. Thread safety: its owner's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvcache/prefix/eviction.h"
#include "kvcache/prefix/page_log.h"
#include "kvcache/prefix/page_name.h"
#include "proto/ids.h"

namespace baton::kvcache {

struct PrefixIndexOptions {
  uint32_t pages = 0;  // ids are below it
  Eviction eviction = Eviction::credit;
  uint32_t log_changes_max = 1 << 14;
};

class PrefixIndex {
 public:
  explicit PrefixIndex(PrefixIndexOptions options);

  std::optional<PageId> find(const PageName& name) const;
  bool listed(PageId page) const { return entries_[page.value].state != State::none; }
  const PageName& name(PageId page) const { return entries_[page.value].name; }
  // The longest run of the names, from the first on, that is listed.
  std::vector<PageId> match(std::span<const PageName> names) const;
  // The longest listed tail below `before` (a full page, or none for the root) that `tokens`, what
  // follows in the prompt, begins with.
  struct Tail {
    PageId page;
    uint32_t tokens = 0;
  };
  std::optional<Tail> match_tail(std::optional<PageId> before, const PageName& before_name,
                                 std::span<const TokenId> tokens) const;

  // Lists a page of `tokens` entries, pinned once, below `before` (listed, full and pinned; none:
  // its first page). False if the name is listed already: then nothing changes.
  bool insert(const PageName& name, PageId page, std::optional<PageId> before, uint32_t tokens);
  void use(PageId page);  // pins it and counts a hit
  void pin(PageId page);
  // From the last page of a prompt to its first, so that the last are let go before the first.
  void unpin(PageId page);
  // Takes the page of the least worth off the list; nothing if none may go.
  std::optional<PageId> evict();

  uint32_t size() const { return size_; }
  uint32_t pins(PageId page) const { return entries_[page.value].pins; }
  // How many could be evicted one after the other: all that are not pinned.
  uint32_t evictable() const { return unpinned_; }
  const PageLog& log() const { return log_; }
  std::vector<uint64_t> short_names(size_t at_most) const;  // of all that is listed
  size_t bytes() const;                                     // of memory it takes

 private:
  enum class State : uint8_t { none, full, tail };
  struct Entry {
    PageName name;
    uint64_t last = 0;
    uint64_t tail_lengths = 0;  // bit t: a tail of t tokens hangs below, or did
    uint32_t above = kNobody;
    uint32_t below = 0;  // how many pages hang below it
    uint32_t pins = 0;
    uint32_t depth = 0;
    uint8_t hits = 0;
    bool continued = false;  // a full page hangs below, or did
    State state = State::none;
  };
  struct Slot {  // of the table by name: open addressing, linear probing
    uint32_t tag = 0;
    uint32_t page = kNobody;
  };
  static constexpr uint32_t kNobody = ~uint32_t{0};

  Entry& at(PageId page);
  size_t home(const PageName& name) const { return name.short_name() & (table_.size() - 1); }
  static uint32_t tag(const PageName& name) {
    return static_cast<uint32_t>(name.short_name() >> 32);
  }
  void add_slot(uint32_t page);
  void drop_slot(uint32_t page);
  uint64_t tail_lengths(std::optional<PageId> before) const;

  PrefixIndexOptions options_;
  std::vector<Entry> entries_;  // by page
  std::vector<Slot> table_;     // a power of two, at least twice the pages
  EvictionPolicy policy_;
  VictimHeap victims_;
  PageLog log_;
  uint64_t clock_ = 0;              // pages let go so far
  uint64_t root_tail_lengths_ = 0;  // as Entry::tail_lengths, of all roots
  uint32_t size_ = 0;
  uint32_t unpinned_ = 0;

  friend std::optional<std::string> broken_invariant(const PrefixIndex& index);
};

// Everything that is said above, recounted from nothing; a sentence if it does not hold.
std::optional<std::string> broken_invariant(const PrefixIndex& index);

}  // namespace baton::kvcache
