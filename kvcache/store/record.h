// Record: how a page lies in a segment file: a header, the page's bytes, zeros up to a multiple of
// 512. A header says where it lies itself, so that bytes of a page are never taken for one, and
// ends with its checksum; a reader that finds something else goes on at the next multiple of 512.
// Thread safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "kvcache/store/stored_page.h"

namespace baton::kvcache {

struct RecordHeader {
  static constexpr size_t kBytes = 80;
  static constexpr uint64_t kAlignment = 512;
  static constexpr uint16_t kVersion = 1;
  uint32_t segment = 0;  // the number of its file
  uint64_t offset = 0;   // in it
  PageName name;
  uint32_t depth = 0;
  uint32_t bytes = 0;  // of the page
  Digest digest;
  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};

// Of a page of so many bytes, header and zeros included.
constexpr uint64_t record_bytes(uint32_t page_bytes) {
  const uint64_t whole = RecordHeader::kBytes + uint64_t{page_bytes};
  return (whole + RecordHeader::kAlignment - 1) / RecordHeader::kAlignment *
         RecordHeader::kAlignment;
}

std::array<std::byte, RecordHeader::kBytes> encode(const RecordHeader& header);
// Nothing unless it is what encode() gives for this place.
std::optional<RecordHeader> decode_record(std::span<const std::byte, RecordHeader::kBytes> bytes,
                                          uint32_t segment, uint64_t offset);

}  // namespace baton::kvcache
