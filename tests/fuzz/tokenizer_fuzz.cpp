// Any bytes as text, and any ids as tokens: nothing of a text is lost, special tokens come only
// from trusted text, and tokens become the same text at once and one by one.
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "model/text/detokenizer.h"
#include "model/text/utf8.h"
#include "tests/text/small_tokenizer.h"

namespace {

using namespace baton;
using namespace baton::text;

const Tokenizer& tokenizer() {
  static const Tokenizer tokenizer = text::testing::small_tokenizer();
  return tokenizer;
}

std::string bytes_of(const std::vector<TokenId>& ids) {
  std::string bytes;
  for (const TokenId id : ids) bytes += tokenizer().token_bytes(id);
  return bytes;
}

void check_decoding(const std::vector<TokenId>& ids) {
  for (const bool skip : {false, true}) {
    Detokenizer one_by_one(tokenizer(), skip);
    std::string text;
    for (const TokenId id : ids) {
      text += one_by_one.push(id);
      check(one_by_one.held().size() <= 3, "only the beginning of a character is held back");
    }
    text += one_by_one.flush();
    check(text == tokenizer().decode(ids, skip), "one by one is the same as at once");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto plain = tokenizer().encode(input, SpecialText::as_text);
  const auto special = tokenizer().encode(input, SpecialText::as_token);
  check(plain && special, "any bytes are a text");
  check(bytes_of(*plain) == input && bytes_of(*special) == input, "nothing of a text is lost");
  for (const TokenId id : *plain) check(!tokenizer().is_added(id), "untrusted text stays text");
  check_decoding(*plain);
  check_decoding(*special);

  // The same in three pieces, the middle one trusted.
  const size_t first = size / 3, second = size - size / 4;
  RenderedPrompt prompt;
  for (const auto& [from, to] :
       {std::pair{size_t{0}, first}, std::pair{first, second}, std::pair{second, size}}) {
    if (to > from) {
      prompt.segments.push_back({std::string(input.substr(from, to - from)), from == first});
    }
  }
  const auto mixed = tokenizer().encode(prompt);
  check(mixed.has_value() && bytes_of(*mixed) == input, "nothing of a prompt is lost");

  std::vector<TokenId> ids;  // most of them no text that anybody would write
  for (size_t i = 0; i + 1 < size; i += 2) ids.push_back((data[i] | (data[i + 1] << 8u)) % 320);
  check_decoding(ids);
  return 0;
}
