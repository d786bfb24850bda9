// Model: everything a tokenizer knows, as read from its files, and the encoding of one stretch of
// plain text with it. Thread safety: const after it is read.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/token.h"
#include "model/text/bpe/added_tokens.h"
#include "model/text/bpe/merges.h"
#include "model/text/bpe/vocabulary.h"
#include "model/text/pattern/splitter.h"

namespace baton::text::bpe {

struct Model {
  Vocabulary vocabulary;  // what each token decodes to
  Merges merges;
  AddedTokens added;
  pattern::Splitter splitter;

  bool by_bytes = true;       // the first symbols are bytes; else characters
  bool whole_pieces = false;  // a piece that is a token is not merged at all (ignore_merges)
  std::array<std::optional<TokenId>, 256> byte_tokens;  // of bytes, or what a byte falls back to
  std::optional<TokenId> unknown;  // instead of a symbol that has no token; none: it is dropped
  bool fuse_unknown = false;       // neighbouring unknown symbols are one token

  std::vector<bool> is_special;  // [ids up to the last added one]
  std::vector<bool> is_added;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  bool adds_bos = false;

  Result<void> encode_plain(std::string_view text, std::vector<TokenId>& out) const;
  std::optional<TokenId> find_token(std::string_view content) const;

  // Puts the added tokens into all tables that know of them.
  Result<void> set_added(std::vector<AddedToken> tokens);
};

}  // namespace baton::text::bpe
