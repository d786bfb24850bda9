// The byte alphabet of GPT-2: every byte is written as one printable character, so that a token
// file can hold any bytes as text. Thread safety: pure functions.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace baton::text::bpe {

// The character that stands for each byte.
const std::array<char32_t, 256>& byte_alphabet();

// The bytes that `content` spells; nothing if a character of it is none of the alphabet.
std::optional<std::string> spelled_bytes(std::string_view content);

}  // namespace baton::text::bpe
