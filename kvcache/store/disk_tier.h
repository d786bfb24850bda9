// DiskTier: pages on disk, within so many bytes: segment files that are only ever appended to.
//
// One segment is open for appending; a full one is closed for good. When room is needed the oldest
// segment goes, or one that is mostly dead: what was used since it was written (at most half of the
// segment) is written again, the rest is forgotten, the file is removed. At the start the index is
// rebuilt from the headers of all records; a record that the file ends within, or whose header is
// damaged, is not there. Appending goes on in the newest segment. A page's digest is checked
// whenever it is read: one that does not hold is dropped and counted. Nothing is synchronised: what
// a crash takes is hits. A write that fails (a full disk) leaves the segment as it was, and the
// page is not there. Invariants (broken_invariant): every indexed record lies within its segment; a
// segment's live bytes are those of its indexed records; the files are within the limit. Thread
// safety: one thread; the folder is locked against other processes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/system/file.h"
#include "kvcache/store/record.h"
#include "kvcache/store/stored_page.h"

namespace baton::kvcache {

struct DiskTierOptions {
  std::filesystem::path folder;  // made if it is not there
  uint64_t bytes_max = uint64_t{8} << 30;
  uint64_t segment_bytes = 0;  // 0: 1/256 of bytes_max, from 1 MiB to 64 MiB; four pages fit in
};

struct DiskTierCounts {
  uint64_t damaged = 0;        // records found damaged: at the start or when they were read
  uint64_t failed = 0;         // writes that failed: a full disk, or a broken one
  uint64_t dropped = 0;        // pages that went with their segment
  uint64_t moved = 0;          // pages that were written again
  uint64_t skipped = 0;        // segments that could not be opened at the start: they stay,
  uint64_t skipped_bytes = 0;  // and take their room
};

class DiskTier {
 public:
  // Error: unavailable (the folder can't be made, locked or read).
  static Result<DiskTier> open(const DiskTierOptions& options);
  ~DiskTier();
  DiskTier(DiskTier&& other) noexcept = default;
  DiskTier& operator=(DiskTier&&) = delete;

  bool holds(const PageName& name) const { return index_.contains(name); }
  // Whole, or nothing: a damaged page is dropped. A use: it outlives its segment.
  std::optional<StoredPage> get(const PageName& name);
  // A use without a read: whoever asks has it from elsewhere.
  void touch(const PageName& name);
  // False if it can't be written: no room, or the disk fails. A page that is held stays as it is.
  bool put(const StoredPage& page);

  size_t pages() const { return index_.size(); }
  uint64_t bytes() const { return bytes_ + counts_.skipped_bytes; }  // of all files
  const DiskTierCounts& counts() const { return counts_; }

 private:
  struct Segment {
    int descriptor = -1;
    uint64_t size = 0;
    uint64_t live = 0;  // bytes of indexed records
  };
  struct Place {
    uint32_t segment = 0;
    uint32_t bytes = 0;
    uint64_t offset = 0;
    uint32_t depth = 0;
    bool used = false;
    Digest digest;
  };
  using Segments = std::map<uint32_t, Segment>;

  DiskTier(DiskTierOptions options, DirectoryLock lock);
  Result<void> scan();
  void scan_segment(uint32_t number);
  void reopen_newest();
  std::vector<RecordHeader> records_of(uint32_t number, uint64_t& damaged) const;
  void add(const RecordHeader& header);
  void forget(const PageName& name);
  std::optional<StoredPage> read(const PageName& name, const Place& place);
  std::filesystem::path path_of(uint32_t number) const;
  uint64_t limit() const;  // of what can be written and read
  bool make_room(uint64_t bytes);
  bool reclaim();
  void remove(uint32_t number);
  bool open_segment();
  bool append(const StoredPage& page);

  DiskTierOptions options_;
  DirectoryLock lock_;
  std::unordered_map<PageName, Place, PageNameHash> index_;
  Segments segments_;
  std::optional<uint32_t> active_;
  uint32_t next_ = 0;
  uint64_t bytes_ = 0;
  DiskTierCounts counts_;

  friend std::optional<std::string> broken_invariant(const DiskTier& tier);
};

std::optional<std::string> broken_invariant(const DiskTier& tier);

}  // namespace baton::kvcache
