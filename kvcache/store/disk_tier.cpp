#include "kvcache/store/disk_tier.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace baton::kvcache {

namespace {

constexpr std::string_view kPrefix = "segment-";
constexpr std::string_view kSuffix = ".pages";
constexpr uint64_t kSegmentBytesMin = uint64_t{1} << 20;
constexpr uint64_t kSegmentBytesMax = uint64_t{64} << 20;  // half of it is in memory at a time

std::optional<uint32_t> number_of(const std::string& file) {
  if (!file.starts_with(kPrefix) || !file.ends_with(kSuffix)) return std::nullopt;
  const char* begin = file.data() + kPrefix.size();
  const char* end = file.data() + file.size() - kSuffix.size();
  uint32_t number = 0;
  const auto [stopped, error] = std::from_chars(begin, end, number, 16);
  return error == std::errc() && stopped == end ? std::optional(number) : std::nullopt;
}

// All of it, or false: the file ends before, or can't be read.
bool read_at(int descriptor, uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got = ::pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

bool write_at(int descriptor, uint64_t offset, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t put = ::pwrite(descriptor, data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    data = data.subspan(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return true;
}

}  // namespace

DiskTier::DiskTier(DiskTierOptions options, DirectoryLock lock)
    : options_(std::move(options)), lock_(std::move(lock)) {
  if (options_.segment_bytes == 0)
    options_.segment_bytes =
        std::clamp(options_.bytes_max / 256, kSegmentBytesMin, kSegmentBytesMax);
}

DiskTier::~DiskTier() {
  for (const auto& [number, segment] : segments_) ::close(segment.descriptor);
}

Result<DiskTier> DiskTier::open(const DiskTierOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) {
    return fail(ErrorCode::unavailable, "can't make the folder {} for pages: {}",
                options.folder.string(), error.message());
  }
  BATON_TRY(lock, DirectoryLock::acquire(options.folder));
  DiskTier tier(options, std::move(lock));
  BATON_CHECKED(tier.scan());
  return tier;
}

std::filesystem::path DiskTier::path_of(uint32_t number) const {
  return options_.folder / fmt::format("{}{:08x}{}", kPrefix, number, kSuffix);
}

// ---- the start ---------------------------------------------------------------------------------

Result<void> DiskTier::scan() {
  std::error_code error;
  std::vector<uint32_t> numbers;
  for (const auto& entry : std::filesystem::directory_iterator(options_.folder, error)) {
    const auto number = number_of(entry.path().filename().string());
    if (number && path_of(*number) == entry.path()) numbers.push_back(*number);
  }
  if (error) {
    return fail(ErrorCode::unavailable, "can't read the folder {} of pages: {}",
                options_.folder.string(), error.message());
  }
  std::ranges::sort(numbers);
  for (const uint32_t number : numbers) scan_segment(number);
  next_ = numbers.empty() ? 0 : numbers.back() + 1;
  for (const uint32_t number : numbers)
    if (segments_.contains(number) && segments_.at(number).live == 0) remove(number);
  reopen_newest();
  while (bytes_ > limit() && reclaim()) {
  }
  return {};
}

void DiskTier::scan_segment(uint32_t number) {
  const int descriptor = ::open(path_of(number).c_str(), O_RDWR | O_CLOEXEC);
  struct stat facts {};
  if (descriptor < 0 || ::fstat(descriptor, &facts) != 0) {
    ++counts_.skipped;
    std::error_code unknown;
    const auto size = std::filesystem::file_size(path_of(number), unknown);
    if (!unknown) counts_.skipped_bytes += size;
    if (descriptor >= 0) ::close(descriptor);
    return;
  }
  const auto size = static_cast<uint64_t>(facts.st_size);
  segments_[number] = {descriptor, size, 0};
  bytes_ += size;
  for (const RecordHeader& header : records_of(number, counts_.damaged)) add(header);
}

// Appends go on behind the last whole record of the newest segment if there is room in it: else
// each start would leave a file, and a descriptor, for good.
void DiskTier::reopen_newest() {
  if (segments_.empty()) return;
  auto& [number, segment] = *segments_.rbegin();
  uint64_t damaged = 0;  // counted already
  const auto records = records_of(number, damaged);
  if (records.empty()) return;
  const uint64_t end = records.back().offset + record_bytes(records.back().bytes);
  if (end >= options_.segment_bytes) return;
  if (::ftruncate(segment.descriptor, static_cast<off_t>(end)) != 0) return;
  bytes_ -= segment.size - end;
  segment.size = end;
  active_ = number;
}

// Headers that are whole, of records that the file holds to their end; `damaged` grows by the
// stretches that are none.
std::vector<RecordHeader> DiskTier::records_of(uint32_t number, uint64_t& damaged) const {
  const Segment& segment = segments_.at(number);
  std::vector<RecordHeader> records;
  std::array<std::byte, RecordHeader::kBytes> bytes;
  bool lost = false;  // inside a stretch without a header
  for (uint64_t offset = 0; offset < segment.size;) {
    std::optional<RecordHeader> header;
    if (read_at(segment.descriptor, offset, bytes)) header = decode_record(bytes, number, offset);
    const bool whole = header && offset + record_bytes(header->bytes) <= segment.size;
    if (whole) records.push_back(*header);
    if (!whole && !lost) ++damaged;
    lost = !whole;
    offset += whole ? record_bytes(header->bytes) : RecordHeader::kAlignment;
  }
  return records;
}

// The same name again: it was written again, and the later one counts.
void DiskTier::add(const RecordHeader& header) {
  forget(header.name);
  index_[header.name] = {header.segment, header.bytes, header.offset,
                         header.depth,   false,        header.digest};
  segments_.at(header.segment).live += record_bytes(header.bytes);
}

void DiskTier::forget(const PageName& name) {
  const auto found = index_.find(name);
  if (found == index_.end()) return;
  segments_.at(found->second.segment).live -= record_bytes(found->second.bytes);
  index_.erase(found);
}

// ---- reading -----------------------------------------------------------------------------------

std::optional<StoredPage> DiskTier::read(const PageName& name, const Place& place) {
  PageBytes bytes(place.bytes);
  const Segment& segment = segments_.at(place.segment);
  if (!read_at(segment.descriptor, place.offset + RecordHeader::kBytes, bytes.writable()))
    return std::nullopt;
  StoredPage page{name, place.depth, place.digest, std::move(bytes)};
  return page.whole() ? std::optional(std::move(page)) : std::nullopt;
}

std::optional<StoredPage> DiskTier::get(const PageName& name) {
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  found->second.used = true;
  auto page = read(name, found->second);
  if (!page) {
    ++counts_.damaged;
    forget(name);
  }
  return page;
}

void DiskTier::touch(const PageName& name) {
  const auto found = index_.find(name);
  if (found != index_.end()) found->second.used = true;
}

// ---- writing -----------------------------------------------------------------------------------

bool DiskTier::put(const StoredPage& page) {
  if (holds(page.name)) return true;
  const uint64_t size = record_bytes(static_cast<uint32_t>(page.bytes().size()));
  if (size > limit()) return false;
  return make_room(size) && append(page);
}

uint64_t DiskTier::limit() const {
  return options_.bytes_max - std::min(options_.bytes_max, counts_.skipped_bytes);
}

bool DiskTier::make_room(uint64_t bytes) {
  const auto mostly_dead = [this](const auto& entry) {
    return entry.first != active_ && entry.second.live * 2 <= entry.second.size;
  };
  if (std::ranges::any_of(segments_, mostly_dead)) reclaim();
  while (bytes_ + bytes > limit())
    if (!reclaim()) return false;
  return true;
}

// Frees at least half of a segment: one that is mostly dead, or else the oldest. False if there is
// none. What is kept is in memory before its file goes, so the limit holds throughout.
bool DiskTier::reclaim() {
  if (segments_.empty()) return false;
  if (segments_.size() == 1) active_.reset();
  uint32_t victim = segments_.begin()->first;
  for (const auto& [number, segment] : segments_) {
    if (number == active_ || segment.live * 2 > segment.size) continue;
    victim = number;
    break;
  }
  if (victim == active_) return false;
  const bool dead = segments_.at(victim).live * 2 <= segments_.at(victim).size;
  std::vector<StoredPage> kept;
  uint64_t room = segments_.at(victim).size / 2;
  uint64_t damaged = 0;  // counted at the start
  for (const RecordHeader& header : records_of(victim, damaged)) {
    const auto found = index_.find(header.name);
    if (found == index_.end()) continue;
    const Place place = found->second;
    if (place.segment != victim || place.offset != header.offset) continue;
    const uint64_t size = record_bytes(place.bytes);
    std::optional<StoredPage> page;
    if ((dead || place.used) && size <= room) page = read(header.name, place);
    forget(header.name);
    ++(page ? counts_.moved : counts_.dropped);
    if (!page) continue;
    room -= size;
    kept.push_back(std::move(*page));
  }
  remove(victim);
  for (const StoredPage& page : kept) append(page);
  return true;
}

void DiskTier::remove(uint32_t number) {
  const Segment& segment = segments_.at(number);
  ::close(segment.descriptor);
  bytes_ -= segment.size;
  std::error_code ignored;
  std::filesystem::remove(path_of(number), ignored);
  segments_.erase(number);
  if (active_ == number) active_.reset();
}

bool DiskTier::open_segment() {
  const uint32_t number = next_;
  const int descriptor =
      ::open(path_of(number).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return false;
  ++next_;
  segments_[number] = {descriptor, 0, 0};
  active_ = number;
  return true;
}

bool DiskTier::append(const StoredPage& page) {
  const auto size = static_cast<uint32_t>(page.bytes().size());
  const uint64_t whole = record_bytes(size);
  // Of large pages some fit in a segment too, or none could be written again when theirs goes.
  const uint64_t room =
      std::max(options_.segment_bytes, std::min(4 * whole, options_.bytes_max / 4));
  const bool full =
      active_ && segments_.at(*active_).size > 0 && segments_.at(*active_).size + whole > room;
  if ((!active_ || full) && !open_segment()) {
    ++counts_.failed;
    return false;
  }
  Segment& segment = segments_.at(*active_);
  const RecordHeader header{*active_, segment.size, page.name, page.depth, size, page.digest};
  const auto front = encode(header);
  const uint64_t end = segment.size + RecordHeader::kBytes + size;
  const bool written =
      write_at(segment.descriptor, segment.size, front) &&
      write_at(segment.descriptor, end - size, page.bytes()) &&
      ::ftruncate(segment.descriptor, static_cast<off_t>(segment.size + whole)) == 0;
  if (!written) {
    ++counts_.failed;
    // What has been written of it is overwritten by the next one.
    if (::ftruncate(segment.descriptor, static_cast<off_t>(segment.size)) != 0) active_.reset();
    return false;
  }
  segment.size += whole;
  bytes_ += whole;
  add(header);
  return true;
}

std::optional<std::string> broken_invariant(const DiskTier& tier) {
  std::map<uint32_t, uint64_t> live;
  for (const auto& [name, place] : tier.index_) {
    const auto segment = tier.segments_.find(place.segment);
    if (segment == tier.segments_.end()) return "a page lies in a segment that is not there";
    const uint64_t size = record_bytes(place.bytes);
    if (place.offset + size > segment->second.size) return "a page lies outside its segment";
    live[place.segment] += size;
  }
  uint64_t bytes = 0;
  for (const auto& [number, segment] : tier.segments_) {
    if (live[number] != segment.live) return "the live bytes of a segment are counted wrong";
    bytes += segment.size;
  }
  if (bytes != tier.bytes_) return "the bytes on disk are counted wrong";
  if (bytes > tier.limit()) return "more bytes on disk than the limit";
  return std::nullopt;
}

}  // namespace baton::kvcache
