// A tokenizer small enough to reason about: all bytes, a few merges, the split patterns of
// DeepSeek-V3 and two added tokens. Its ids: bytes 0..255, merges from 256, added from 300.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/text/bpe/byte_alphabet.h"
#include "model/text/tokenizer.h"
#include "model/text/utf8.h"

namespace baton::text::testing {

inline std::string spelled(std::string_view bytes) {
  std::string content;
  for (const char c : bytes) append_utf8(content, bpe::byte_alphabet()[static_cast<uint8_t>(c)]);
  return content;
}

inline nlohmann::json split(const std::string& regex) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}};
}

inline nlohmann::json deepseek_pre_tokenizer() {
  return {{"type", "Sequence"},
          {"pretokenizers",
           {split("\\p{N}{1,3}"),
            split("[一-龥\u3040-ゟ゠-ヿ]+"),
            split("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?"
                  "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"),
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

inline nlohmann::json added(TokenId id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content}, {"special", special},  {"normalized", false},
          {"lstrip", false}, {"rstrip", false},    {"single_word", false}};
}

inline nlohmann::json small_tokenizer_json() {
  nlohmann::json vocab = nlohmann::json::object(), merges = nlohmann::json::array();
  for (unsigned byte = 0; byte < 256; ++byte) {
    vocab[spelled(std::string(1, static_cast<char>(byte)))] = byte;
  }
  const std::vector<std::pair<std::string, std::string>> pairs{
      {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {" ", "w"}, {"a", "a"}, {"aa", "aa"}};
  TokenId next = 256;
  for (const auto& [left, right] : pairs) {
    vocab[spelled(left + right)] = next++;
    merges.push_back(spelled(left) + " " + spelled(right));
  }
  return {{"added_tokens",
           {added(300, "<s>", true), added(301, "<|user|>", false), added(302, "<think>", false)}},
          {"normalizer", nullptr},
          {"pre_tokenizer", deepseek_pre_tokenizer()},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}};
}

inline Tokenizer small_tokenizer() {
  auto result =
      Tokenizer::from_json(small_tokenizer_json(), {{"bos_token", "<s>"}, {"add_bos_token", true}});
  return std::move(result.value());
}

}  // namespace baton::text::testing
