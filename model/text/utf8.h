// UTF-8, strictly: one character at a time, and what a decoder makes of bytes that are none.
//
// A "maximal bad sequence" is what the Unicode standard replaces by one U+FFFD: the longest
// beginning of a valid character, or else one byte. Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace baton::text {

enum class Utf8 : uint8_t {
  whole,    // a valid character
  cut_off,  // a valid beginning at the very end of the text; more bytes could complete it
  bad,      // no continuation can make it valid
};

struct Utf8Step {
  Utf8 kind = Utf8::bad;
  uint8_t bytes = 1;        // of the character, of the beginning, or of the maximal bad sequence
  char32_t code_point = 0;  // of a whole character
};

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

// The step at the beginning of `text`, which is not empty.
inline Utf8Step utf8_step(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {Utf8::whole, 1, lead};
  uint8_t length = 0;
  uint8_t low = 0x80, high = 0xBF;  // allowed second bytes
  char32_t value = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2, value = lead & 0x1Fu;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3, value = lead & 0x0Fu;
    if (lead == 0xE0) low = 0xA0;   // no overlong forms
    if (lead == 0xED) high = 0x9F;  // no surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4, value = lead & 0x07u;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;  // not above U+10FFFF
  } else {
    return {Utf8::bad, 1, 0};
  }
  for (uint8_t i = 1; i < length; ++i) {
    if (i >= text.size()) return {Utf8::cut_off, i, 0};
    if (byte(i) < low || byte(i) > high) return {Utf8::bad, i, 0};
    value = (value << 6) | (byte(i) & 0x3Fu);
    low = 0x80, high = 0xBF;
  }
  return {Utf8::whole, length, value};
}

inline void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

// `bytes` with U+FFFD for every maximal bad sequence. If `cut_off` is given, a valid beginning at
// the very end is left out and its length stored there.
inline std::string to_valid_utf8(std::string_view bytes, size_t* cut_off = nullptr) {
  std::string out;
  out.reserve(bytes.size());
  if (cut_off) *cut_off = 0;
  while (!bytes.empty()) {
    const Utf8Step step = utf8_step(bytes);
    if (step.kind == Utf8::cut_off && cut_off) {
      *cut_off = step.bytes;
      return out;
    }
    out += step.kind == Utf8::whole ? bytes.substr(0, step.bytes) : replacement_character;
    bytes.remove_prefix(step.bytes);
  }
  return out;
}

}  // namespace baton::text
