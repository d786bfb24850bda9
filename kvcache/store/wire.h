// What is said on a connection to a kvstore, byte by byte: one request, its answers, the next one.
//
// Headers have a fixed size, are little endian and end with a CRC32C of themselves; the list of
// names that follows a request has one too. A page's bytes follow their header and are covered by
// the page's digest, which covers its name as well. Decoding is strict, and no count or length is
// returned that the limits don't allow. (Page bytes do not go through gRPC: they would be copied
// three times on their way, and a message would have to hold a page of several megabytes.)
//
//   look_up  names           ->  held (how many of them, from the first on)
//   get      names           ->  page, page, ..., end (how many came: less at the first miss)
//   put      place, bytes    ->  kept (a PutVerdict)
//
// Thread safety: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kvcache/store/stored_page.h"

namespace baton::kvcache {

inline constexpr uint16_t kStoreWireVersion = 1;
inline constexpr uint32_t kNamesMax = 4096;  // of one request

struct StoreRequest {
  static constexpr size_t kBytes = 24;
  enum class Kind : uint16_t { look_up = 1, get, put };
  Kind kind = Kind::look_up;
  uint32_t id = 0;     // of the request; its answers have it too
  uint32_t names = 0;  // of a put: 0
  uint32_t bytes = 0;  // of a put: of its page
  friend bool operator==(const StoreRequest&, const StoreRequest&) = default;
};

// After the header of a put, before the bytes.
struct PutPlace {
  static constexpr size_t kBytes = 56;
  PageName name;
  uint32_t depth = 0;
  Digest digest;
  friend bool operator==(const PutPlace&, const PutPlace&) = default;
};

struct StoreAnswer {
  static constexpr size_t kBytes = 40;
  enum class Kind : uint16_t { held = 1, page, end, kept };
  Kind kind = Kind::held;
  uint32_t id = 0;
  uint32_t count = 0;  // held: pages; end: pages that came; kept: the verdict
  uint32_t bytes = 0;  // page: that follow
  Digest digest;       // page
  friend bool operator==(const StoreAnswer&, const StoreAnswer&) = default;
};

std::array<std::byte, StoreRequest::kBytes> encode(const StoreRequest& request);
std::array<std::byte, PutPlace::kBytes> encode(const PutPlace& place);
std::array<std::byte, StoreAnswer::kBytes> encode(const StoreAnswer& answer);
std::vector<std::byte> encode_names(std::span<const PageName> names);
constexpr size_t names_bytes(uint32_t names) { return size_t{names} * sizeof(Sha256Digest) + 4; }

// Errors: corrupt (not what this code would send), unsupported (another version).
Result<StoreRequest> decode_request(std::span<const std::byte, StoreRequest::kBytes> bytes);
Result<PutPlace> decode_place(std::span<const std::byte, PutPlace::kBytes> bytes);
Result<StoreAnswer> decode_answer(std::span<const std::byte, StoreAnswer::kBytes> bytes);
Result<std::vector<PageName>> decode_names(std::span<const std::byte> bytes);

}  // namespace baton::kvcache
