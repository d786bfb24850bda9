// Lexer: template source to tokens, with the white-space control of chat templates.
//
// As Jinja with trim_blocks and lstrip_blocks: the newline after a block or comment goes, and the
// blanks before one that stands alone at the beginning of its line; `-` takes all white space on
// its side, `+` keeps it. Line ends become \n, one newline at the end of the source goes.
// Thread safety: a pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace baton::text::jinja {

enum class TokenKind : uint8_t {
  data,            // text between tags
  block_begin,     // {%
  block_end,       // %}
  variable_begin,  // {{
  variable_end,    // }}
  name,
  string,  // escapes resolved
  integer,
  number,  // with a fraction or an exponent
  symbol,  // an operator or a bracket
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  uint32_t line = 0;
};

inline constexpr size_t source_bytes_max = 1u << 20;

Result<std::vector<Token>> tokenize_template(std::string_view source);

}  // namespace baton::text::jinja
