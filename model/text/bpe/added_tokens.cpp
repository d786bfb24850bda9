#include "model/text/bpe/added_tokens.h"

#include <algorithm>
#include <utility>

#include "model/text/pattern/unicode.h"
#include "model/text/utf8.h"

namespace baton::text::bpe {
namespace {

// The whole character that ends at `end`, or U+0000.
char32_t character_before(std::string_view text, size_t end) {
  for (size_t back = 1; back <= 4 && back <= end; ++back) {
    const auto step = utf8_step(text.substr(end - back, back));
    if (step.kind == Utf8::whole && step.bytes == back) return step.code_point;
  }
  return 0;
}

char32_t character_after(std::string_view text, size_t begin) {
  if (begin == text.size()) return 0;
  const auto step = utf8_step(text.substr(begin, 4));
  return step.kind == Utf8::whole ? step.code_point : 0;
}

size_t bytes_of(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

bool is_space(char32_t c) {
  static const auto spaces = pattern::unicode_white_space();
  return spaces.contains(c);
}

bool is_word(char32_t c) {
  static const auto word = pattern::unicode_word();
  return word.contains(c);
}

}  // namespace

void AddedTokens::Trie::insert(std::string_view content, int32_t token) {
  first[static_cast<uint8_t>(content[0])] = true;
  uint32_t at = 0;
  for (const char c : content) {
    const auto byte = static_cast<uint8_t>(c);
    auto& children = nodes[at].children;
    const auto found = std::find_if(children.begin(), children.end(),
                                    [&](const auto& child) { return child.first == byte; });
    if (found != children.end()) {
      at = found->second;
      continue;
    }
    const auto next = static_cast<uint32_t>(nodes.size());
    children.emplace_back(byte, next);
    nodes.emplace_back();
    at = next;
  }
  if (nodes[at].token < 0) nodes[at].token = token;
}

int32_t AddedTokens::Trie::longest(std::string_view text) const {
  int32_t best = -1;
  uint32_t at = 0;
  for (const char c : text) {
    const auto& children = nodes[at].children;
    const auto found = std::find_if(children.begin(), children.end(), [&](const auto& child) {
      return child.first == static_cast<uint8_t>(c);
    });
    if (found == children.end()) break;
    at = found->second;
    if (nodes[at].token >= 0) best = nodes[at].token;
  }
  return best;
}

Result<AddedTokens> AddedTokens::build(std::vector<AddedToken> tokens) {
  AddedTokens result;
  result.tokens_ = std::move(tokens);
  for (size_t i = 0; i < result.tokens_.size(); ++i) {
    const auto& token = result.tokens_[i];
    if (token.content.empty() || token.content.size() > content_bytes_max) {
      return fail(ErrorCode::unsupported,
                  "the added token {} of the tokenizer has {} bytes; 1 to {} are supported",
                  token.id, token.content.size(), content_bytes_max);
    }
    (token.normalized ? result.normalized_ : result.raw_)
        .insert(token.content, static_cast<int32_t>(i));
  }
  return result;
}

void AddedTokens::cut(const Trie& trie, std::string_view text,
                      const std::vector<TrustedRange>& trusted, Stretch plain,
                      std::vector<Stretch>& out) const {
  auto range = std::upper_bound(trusted.begin(), trusted.end(), plain.begin,
                                [](size_t at, const auto& r) { return at < r.end; });
  size_t done = plain.begin;
  for (size_t at = plain.begin; at < plain.end;) {
    while (range != trusted.end() && range->end <= at) ++range;
    if (range == trusted.end()) break;
    at = std::max(at, range->begin);
    const size_t limit = std::min(plain.end, range->end);
    while (at < limit && !trie.first[static_cast<uint8_t>(text[at])]) ++at;
    if (at >= limit) continue;
    const int32_t found = trie.longest(text.substr(at, limit - at));
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(found)];
    size_t begin = at, end = at + token.content.size();
    at = end;
    const auto within = text.substr(0, plain.end);
    if (token.single_word && ((begin > plain.begin && is_word(character_before(text, begin))) ||
                              is_word(character_after(within, end)))) {
      continue;
    }
    if (token.lstrip) {
      for (char32_t c; begin > done && is_space(c = character_before(text, begin));) {
        begin -= bytes_of(c);
      }
    }
    if (token.rstrip) {
      for (char32_t c; end < plain.end && is_space(c = character_after(within, end));) {
        end += bytes_of(c);
      }
    }
    if (begin > done) out.push_back({done, begin, nullptr});
    out.push_back({begin, end, &token});
    done = at = end;
  }
  if (done < plain.end) out.push_back({done, plain.end, nullptr});
}

std::vector<Stretch> AddedTokens::split(std::string_view text,
                                        const std::vector<TrustedRange>& trusted) const {
  std::vector<Stretch> raw, result;
  if (!text.empty()) cut(raw_, text, trusted, {0, text.size(), nullptr}, raw);
  for (const auto& stretch : raw) {
    if (stretch.token) {
      result.push_back(stretch);
    } else {
      cut(normalized_, text, trusted, stretch, result);
    }
  }
  return result;
}

}  // namespace baton::text::bpe
