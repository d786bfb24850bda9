// MessageWriter, MessageReader: messages of a fixed size, little endian, that end with a CRC32C.
// Thread safety: values.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/hash/crc32c.h"
#include "base/result.h"

namespace baton::kvcache {

// Writes a message of fixed size from its front; finish() adds the checksum at its end.
template <size_t Size>
class MessageWriter {
 public:
  template <class T>
  MessageWriter& put(T value) {
    for (size_t i = 0; i < sizeof(T); ++i) {
      bytes_.at(at_++) = static_cast<std::byte>(static_cast<uint64_t>(value) >> (8 * i));
    }
    return *this;
  }
  MessageWriter& put(std::span<const std::byte> data, size_t room) {
    check(data.size() <= room && at_ + room <= Size, "a message field is too long");
    std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ += room;
    return *this;
  }
  std::array<std::byte, Size> finish() {
    check(at_ == Size - 4, "a message doesn't fill its size");
    put(crc32c(std::span(bytes_).first(Size - 4)));
    return bytes_;
  }

 private:
  std::array<std::byte, Size> bytes_{};
  size_t at_ = 0;
};

// Reads it back; the caller's fields are in range because the sizes are fixed.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <class T>
  T get() {
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value |= std::to_integer<uint64_t>(bytes_[i]) << (8 * i);
    bytes_ = bytes_.subspan(sizeof(T));
    return static_cast<T>(value);
  }
  std::span<const std::byte> get(size_t size) {
    const auto out = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return out;
  }

 private:
  std::span<const std::byte> bytes_;
};

// Whether a whole message ends with the checksum of the rest.
inline bool checksum_holds(std::span<const std::byte> message) {
  return MessageReader(message.last(4)).get<uint32_t>() ==
         crc32c(message.first(message.size() - 4));
}

}  // namespace baton::kvcache
