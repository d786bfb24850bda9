#include "kvcache/store/wire.h"

#include "kvcache/transport/fixed_message.h"

namespace baton::kvcache {

namespace {

constexpr uint32_t kRequestMagic = 0x514e5442;  // "BTNQ"
constexpr uint32_t kAnswerMagic = 0x524e5442;   // "BTNR"

Result<void> open(std::span<const std::byte> bytes, uint32_t magic) {
  MessageReader reader(bytes);
  if (reader.get<uint32_t>() != magic)
    return fail(ErrorCode::corrupt, "the peer does not speak the protocol of a kvstore");
  if (const auto version = reader.get<uint16_t>(); version != kStoreWireVersion) {
    return fail(ErrorCode::unsupported,
                "the peer speaks version {} of the kvstore's protocol, this program version {}",
                version, kStoreWireVersion);
  }
  if (!checksum_holds(bytes))
    return fail(ErrorCode::corrupt, "the checksum of a kvstore's message is wrong");
  return {};
}

Error beyond(const char* what) {
  return fail(ErrorCode::corrupt, "a kvstore's message says {} that can't be", what);
}

void get_name(MessageReader& reader, PageName& name) {
  const auto bytes = reader.get(name.bytes.size());
  std::copy(bytes.begin(), bytes.end(), name.bytes.begin());
}

}  // namespace

std::array<std::byte, StoreRequest::kBytes> encode(const StoreRequest& request) {
  MessageWriter<StoreRequest::kBytes> out;
  out.put(kRequestMagic).put(kStoreWireVersion).put(static_cast<uint16_t>(request.kind));
  out.put(request.id).put(request.names).put(request.bytes);
  return out.finish();
}

Result<StoreRequest> decode_request(std::span<const std::byte, StoreRequest::kBytes> bytes) {
  BATON_CHECKED(open(bytes, kRequestMagic));
  MessageReader reader(bytes.subspan(6));
  StoreRequest request;
  const auto kind = reader.get<uint16_t>();
  request.kind = static_cast<StoreRequest::Kind>(kind);
  request.id = reader.get<uint32_t>();
  request.names = reader.get<uint32_t>();
  request.bytes = reader.get<uint32_t>();
  if (kind < 1 || kind > 3) return beyond("a kind");
  const bool put = request.kind == StoreRequest::Kind::put;
  if (put ? request.names != 0 : request.names < 1 || request.names > kNamesMax)
    return beyond("a number of names");
  if (put ? request.bytes < 1 || request.bytes > kStoredPageBytesMax : request.bytes != 0)
    return beyond("a length");
  return request;
}

std::array<std::byte, PutPlace::kBytes> encode(const PutPlace& place) {
  MessageWriter<PutPlace::kBytes> out;
  out.put(place.name.bytes, place.name.bytes.size()).put(place.depth);
  out.put(place.digest.low).put(place.digest.high);
  return out.finish();
}

Result<PutPlace> decode_place(std::span<const std::byte, PutPlace::kBytes> bytes) {
  if (!checksum_holds(bytes))
    return fail(ErrorCode::corrupt, "the checksum of a page's place is wrong");
  MessageReader reader(bytes);
  PutPlace place;
  get_name(reader, place.name);
  place.depth = reader.get<uint32_t>();
  place.digest.low = reader.get<uint64_t>();
  place.digest.high = reader.get<uint64_t>();
  return place;
}

std::array<std::byte, StoreAnswer::kBytes> encode(const StoreAnswer& answer) {
  MessageWriter<StoreAnswer::kBytes> out;
  out.put(kAnswerMagic).put(kStoreWireVersion).put(static_cast<uint16_t>(answer.kind));
  out.put(answer.id).put(answer.count).put(answer.bytes);
  out.put(answer.digest.low).put(answer.digest.high);
  return out.finish();
}

Result<StoreAnswer> decode_answer(std::span<const std::byte, StoreAnswer::kBytes> bytes) {
  BATON_CHECKED(open(bytes, kAnswerMagic));
  MessageReader reader(bytes.subspan(6));
  StoreAnswer answer;
  const auto kind = reader.get<uint16_t>();
  answer.kind = static_cast<StoreAnswer::Kind>(kind);
  answer.id = reader.get<uint32_t>();
  answer.count = reader.get<uint32_t>();
  answer.bytes = reader.get<uint32_t>();
  answer.digest.low = reader.get<uint64_t>();
  answer.digest.high = reader.get<uint64_t>();
  if (kind < 1 || kind > 4) return beyond("a kind");
  const bool page = answer.kind == StoreAnswer::Kind::page;
  if (page ? answer.bytes < 1 || answer.bytes > kStoredPageBytesMax
           : answer.bytes != 0 || answer.digest != Digest{})
    return beyond("a length");
  if (answer.count > kNamesMax) return beyond("a count");
  return answer;
}

std::vector<std::byte> encode_names(std::span<const PageName> names) {
  std::vector<std::byte> out;
  out.reserve(names_bytes(static_cast<uint32_t>(names.size())));
  for (const PageName& name : names) out.insert(out.end(), name.bytes.begin(), name.bytes.end());
  const uint32_t sum = crc32c(out);
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(sum >> shift));
  return out;
}

Result<std::vector<PageName>> decode_names(std::span<const std::byte> bytes) {
  if (bytes.size() < 4 || (bytes.size() - 4) % sizeof(Sha256Digest) != 0)
    return beyond("a number of names");
  if (!checksum_holds(bytes))
    return fail(ErrorCode::corrupt, "the checksum of a list of names is wrong");
  MessageReader reader(bytes);
  std::vector<PageName> names((bytes.size() - 4) / sizeof(Sha256Digest));
  for (PageName& name : names) get_name(reader, name);
  return names;
}

}  // namespace baton::kvcache
