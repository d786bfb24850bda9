#include "model/text/bpe/model.h"

#include <algorithm>
#include <utility>

#include "model/text/utf8.h"

namespace baton::text::bpe {
namespace {

void symbols_of_bytes(const Model& model, std::string_view piece, std::vector<TokenId>& symbols) {
  for (const char c : piece) {
    if (const auto token = model.byte_tokens[static_cast<uint8_t>(c)]) {
      symbols.push_back(*token);
    } else if (model.unknown) {
      if (!model.fuse_unknown || symbols.empty() || symbols.back() != *model.unknown) {
        symbols.push_back(*model.unknown);
      }
    }
  }
}

void symbols_of_characters(const Model& model, std::string_view piece,
                           std::vector<TokenId>& symbols) {
  while (!piece.empty()) {
    const auto character = piece.substr(0, utf8_step(piece).bytes);
    if (const auto token = model.vocabulary.find(character)) {
      symbols.push_back(*token);
    } else {
      symbols_of_bytes(model, character, symbols);
    }
    piece.remove_prefix(character.size());
  }
}

}  // namespace

Result<void> Model::encode_plain(std::string_view text, std::vector<TokenId>& out) const {
  BATON_TRY(pieces, splitter.split(text));
  std::vector<TokenId> symbols;
  for (const auto& span : pieces) {
    const auto piece = text.substr(span.begin, span.end - span.begin);
    if (whole_pieces) {
      if (const auto token = vocabulary.find(piece)) {
        out.push_back(*token);
        continue;
      }
    }
    symbols.clear();
    if (by_bytes) {
      symbols_of_bytes(*this, piece, symbols);
    } else {
      symbols_of_characters(*this, piece, symbols);
    }
    merges.encode(symbols, out);
  }
  return {};
}

std::optional<TokenId> Model::find_token(std::string_view content) const {
  const auto& list = added.tokens();
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const auto& token) { return token.content == content; });
  if (found != list.end()) return found->id;
  return vocabulary.find(content);
}

Result<void> Model::set_added(std::vector<AddedToken> tokens) {
  for (const auto& token : tokens) {
    if (token.id > Vocabulary::id_max) {
      return fail(ErrorCode::corrupt, "the tokenizer gives an added token the id {}", token.id);
    }
    const size_t size = std::max<size_t>(is_added.size(), token.id + 1);
    is_added.resize(size);
    is_special.resize(size);
    is_added[token.id] = true;
    if (token.special) is_special[token.id] = true;
  }
  BATON_TRY(built, AddedTokens::build(std::move(tokens)));
  added = std::move(built);
  return {};
}

}  // namespace baton::text::bpe
