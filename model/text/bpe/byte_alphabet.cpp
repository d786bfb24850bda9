#include "model/text/bpe/byte_alphabet.h"

#include "model/text/utf8.h"

namespace baton::text::bpe {
namespace {

// Printable bytes of Latin-1 stand for themselves; the others are U+0100 and up, in their order.
constexpr bool printable(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<char32_t, 256> make_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) alphabet[byte] = printable(byte) ? byte : next++;
  return alphabet;
}

constexpr auto alphabet = make_alphabet();

constexpr auto make_inverse() {
  std::array<int16_t, 0x180> inverse{};
  for (auto& byte : inverse) byte = -1;
  for (unsigned byte = 0; byte < 256; ++byte) inverse[alphabet[byte]] = static_cast<int16_t>(byte);
  return inverse;
}

constexpr auto inverse = make_inverse();

}  // namespace

const std::array<char32_t, 256>& byte_alphabet() { return alphabet; }

std::optional<std::string> spelled_bytes(std::string_view content) {
  std::string bytes;
  bytes.reserve(content.size());
  while (!content.empty()) {
    const Utf8Step step = utf8_step(content);
    if (step.kind != Utf8::whole || step.code_point >= inverse.size()) return std::nullopt;
    if (inverse[step.code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(inverse[step.code_point]);
    content.remove_prefix(step.bytes);
  }
  return bytes;
}

}  // namespace baton::text::bpe
