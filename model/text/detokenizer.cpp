#include "model/text/detokenizer.h"

#include <utility>

#include "model/text/utf8.h"

namespace baton::text {

std::string Detokenizer::push(TokenId id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  const std::string bytes = std::exchange(held_, {}).append(tokenizer_->token_bytes(id));
  size_t cut_off = 0;
  std::string text = to_valid_utf8(bytes, &cut_off);
  held_ = bytes.substr(bytes.size() - cut_off);
  return text;
}

std::string Detokenizer::flush() { return to_valid_utf8(std::exchange(held_, {})); }

}  // namespace baton::text
