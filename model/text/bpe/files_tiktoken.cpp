// read_tiktoken: a `tiktoken.model`, lines of a token in base64 and its rank, as Kimi-K2 and
// Moonlight publish it, with the split pattern that their tokenizer code states.
#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "model/text/bpe/files.h"

namespace baton::text::bpe {
namespace {

using nlohmann::json;

constexpr std::string_view kimi_pattern =
    R"([\p{Han}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr uint32_t reserved_tokens = 256;  // ids after the ranks, named or not
constexpr size_t token_bytes_max = 1024;

Error malformed(size_t line) {
  return fail(ErrorCode::corrupt,
              "tiktoken.model: line {} is not a token in base64, a space and its rank", line);
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    uint32_t value = 0;
    if (c >= 'A' && c <= 'Z')
      value = static_cast<uint32_t>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      value = static_cast<uint32_t>(c - 'a' + 26);
    else if (c >= '0' && c <= '9')
      value = static_cast<uint32_t>(c - '0' + 52);
    else if (c == '+')
      value = 62;
    else if (c == '/')
      value = 63;
    else
      return std::nullopt;
    bits = bits << 6 | value;
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xFF);
  }
  return bytes;
}

Result<void> read_ranks(std::string_view ranks, Vocabulary& vocabulary) {
  for (size_t line = 1; !ranks.empty(); ++line) {
    const size_t end = std::min(ranks.find('\n'), ranks.size());
    std::string_view row = ranks.substr(0, end);
    ranks.remove_prefix(std::min(end + 1, ranks.size()));
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (row.empty()) continue;
    const size_t space = row.find(' ');
    if (space == row.npos) return malformed(line);
    const auto bytes = decode_base64(row.substr(0, space));
    TokenId rank = 0;
    const auto parsed = std::from_chars(row.data() + space + 1, row.data() + row.size(), rank);
    if (!bytes || bytes->empty() || bytes->size() > token_bytes_max || parsed.ec != std::errc() ||
        parsed.ptr != row.data() + row.size()) {
      return malformed(line);
    }
    if (vocabulary.find(*bytes) || !vocabulary.add(rank, *bytes)) {
      return fail(ErrorCode::corrupt, "tiktoken.model: line {} repeats a token or a rank", line);
    }
  }
  return {};
}

// Any two tokens whose bytes together are a token may be joined; the joined token is the rank.
void derive_merges(const Vocabulary& vocabulary, Merges& merges) {
  merges.reserve(vocabulary.size() * 3);
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    const auto bytes = vocabulary.bytes(id);
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
      const auto left = vocabulary.find(bytes.substr(0, cut));
      if (!left) continue;
      const auto right = vocabulary.find(bytes.substr(cut));
      if (right) merges.add(*left, *right, {id, id});
    }
  }
}

Result<std::vector<AddedToken>> special_tokens(const json& config, TokenId base) {
  std::vector<AddedToken> tokens;
  for (uint32_t i = 0; i < reserved_tokens; ++i) {
    AddedToken token{.id = base + i, .content = fmt::format("<|reserved_token_{}|>", base + i)};
    token.special = true;
    const auto key = std::to_string(token.id);
    if (config.is_object() && config.contains("added_tokens_decoder") &&
        config["added_tokens_decoder"].contains(key)) {
      const auto& entry = config["added_tokens_decoder"][key];
      if (!entry.is_object() || !entry.contains("content") || !entry["content"].is_string()) {
        return fail(ErrorCode::corrupt,
                    "tokenizer_config.json: added_tokens_decoder {} has no content", key);
      }
      token.content = entry["content"].get<std::string>();
      if (entry.contains("special") && entry["special"].is_boolean()) {
        token.special = entry["special"].get<bool>();
      }
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

Result<Model> read_tiktoken(std::string_view ranks, const json& config) {
  Model model;
  model.vocabulary.reserve(static_cast<size_t>(std::count(ranks.begin(), ranks.end(), '\n')) + 1);
  BATON_CHECKED(read_ranks(ranks, model.vocabulary));
  derive_merges(model.vocabulary, model.merges);
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    model.byte_tokens[byte] = model.vocabulary.find(std::string_view(&c, 1));
    if (!model.byte_tokens[byte]) {
      return fail(ErrorCode::corrupt, "tiktoken.model: the byte {} has no token", byte);
    }
  }
  model.whole_pieces = true;
  BATON_TRY(splitter, pattern::Splitter::from_pattern(kimi_pattern));
  model.splitter = std::move(splitter);
  BATON_TRY(tokens, special_tokens(config, static_cast<TokenId>(model.vocabulary.size())));
  for (const auto& token : tokens) {
    if (!model.vocabulary.add(token.id, token.content, false)) {
      return fail(ErrorCode::corrupt, "tiktoken.model: too many tokens");
    }
  }
  BATON_CHECKED(model.set_added(std::move(tokens)));
  BATON_CHECKED(apply_config(config, model));
  return model;
}

}  // namespace baton::text::bpe
