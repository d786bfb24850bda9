// CRC32C (Castagnoli): the checksum of every frame of the hand-off.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace baton {

// Pass the checksum of what came before to go on with it.
uint32_t crc32c(std::span<const std::byte> data, uint32_t before = 0);

// Copies `from` to `to` (equally long) and returns the checksum of the bytes as they were copied:
// one pass over memory, and a source that changes meanwhile can't pass a check it should fail.
uint32_t copy_with_crc32c(std::span<std::byte> to, std::span<const std::byte> from,
                          uint32_t before = 0);

}  // namespace baton
