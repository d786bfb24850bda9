#include "kvcache/store/record.h"

#include "kvcache/transport/fixed_message.h"

namespace baton::kvcache {

namespace {
constexpr uint32_t kMagic = 0x504e5442;  // "BTNP"
}

std::array<std::byte, RecordHeader::kBytes> encode(const RecordHeader& header) {
  MessageWriter<RecordHeader::kBytes> out;
  out.put(kMagic).put(RecordHeader::kVersion).put(uint16_t{0});
  out.put(header.segment).put(header.offset);
  out.put(header.name.bytes, header.name.bytes.size());
  out.put(header.depth).put(header.bytes);
  out.put(header.digest.low).put(header.digest.high);
  return out.finish();
}

std::optional<RecordHeader> decode_record(std::span<const std::byte, RecordHeader::kBytes> bytes,
                                          uint32_t segment, uint64_t offset) {
  MessageReader reader(bytes);
  if (reader.get<uint32_t>() != kMagic || reader.get<uint16_t>() != RecordHeader::kVersion)
    return std::nullopt;
  if (reader.get<uint16_t>() != 0 || !checksum_holds(bytes)) return std::nullopt;
  RecordHeader header;
  header.segment = reader.get<uint32_t>();
  header.offset = reader.get<uint64_t>();
  const auto name = reader.get(header.name.bytes.size());
  std::copy(name.begin(), name.end(), header.name.bytes.begin());
  header.depth = reader.get<uint32_t>();
  header.bytes = reader.get<uint32_t>();
  header.digest.low = reader.get<uint64_t>();
  header.digest.high = reader.get<uint64_t>();
  if (header.segment != segment || header.offset != offset) return std::nullopt;
  if (header.bytes == 0 || header.bytes > kStoredPageBytesMax) return std::nullopt;
  return header;
}

}  // namespace baton::kvcache
