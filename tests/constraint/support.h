// What tests of constraints share: does an automaton take a text, a vocabulary of JSON-like pieces,
// and answers drawn at random through masks.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "model/constraint/masks.h"
#include "model/constraint/specification.h"

namespace baton::constraint::testing {

inline bool takes(const Automaton& automaton, std::string_view text) {
  Matcher matcher(automaton);
  return matcher.advance(text) && matcher.can_end();
}

inline bool takes(Form form, std::string_view specification, std::string_view text) {
  const auto automaton = compile(form, specification);
  EXPECT_TRUE(automaton) << specification << ": " << automaton.error().message;
  return automaton && takes(*automaton, text);
}

// The sentence of a refusal; empty if there is none.
inline std::string refusal(Form form, std::string_view specification) {
  const auto automaton = compile(form, specification);
  return automaton ? "" : automaton.error().message;
}

// Every byte is a token; then pieces as tokenizers learn them from JSON, prose and code.
inline std::vector<std::string> pieces(unsigned seed = 1, size_t random = 400) {
  std::vector<std::string> all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(std::string(1, static_cast<char>(byte)));
  const std::string common =
      R"({"|"}|":|": |": "|",|","|", "|"]|["|]}|}]|}}|},|},{|}, {|[[|]]|[]|{}|, |true|false|null|)"
      R"(tru|ue|12|123|007|-1|.5|e1|\n|\"|\u|\u00|name|answer|yes|no|a|ab|abc|"a":1|{"a":|steps|)"
      R"(Hello| world|20|-0|0.|@|.com|https|://|children|type|div|"type"|":"|"},{"|"]}|  "|  |    )";
  for (size_t from = 0; from <= common.size();) {
    const size_t to = std::min(common.find('|', from), common.size());
    all.push_back(common.substr(from, to - from));
    from = to + 1;
  }
  for (const char* piece :
       {",\n", "\n  ", "\n    ", "\n\n", "\"]}\n", "\"}\n", "\n  \"", "{\n", "{\n  \"", "\n}",
        "\u4F60", "\u4F60\u597D", "\xE4\xBD", "\xA0", "\xF0\x9F\x98", "\U0001F600", "\u00E9"})
    all.emplace_back(piece);
  std::mt19937 chance(seed);
  const std::string_view letters = "abcxyz019{}[]\",: \n\\-.";
  for (size_t i = 0; i < random; ++i) {
    std::string piece;
    for (size_t length = 2 + chance() % 5; length > 0; --length)
      piece += letters[chance() % letters.size()];
    all.push_back(std::move(piece));
  }
  // Long words, as masks of counted repetitions tell them apart.
  for (size_t i = 0; i < random / 5; ++i) {
    std::string piece;
    for (size_t length = 6 + chance() % 30; length > 0; --length)
      piece += chance() % 20 == 0 ? "\"" : chance() % 15 == 0 ? "\xE4\xBD\xA0" : "x";
    all.push_back(std::move(piece));
  }
  return all;
}

struct Vocabulary {
  explicit Vocabulary(std::vector<std::string> of) : texts(std::move(of)), trie(views()) {}
  std::vector<std::string_view> views() const { return {texts.begin(), texts.end()}; }
  std::vector<std::string> texts;
  TokenTrie trie;
};

inline bool has(const std::vector<uint64_t>& mask, TokenId id) {
  return (mask[id / 64] >> (id % 64) & 1) != 0;
}

// What the mask must be, token by token.
inline std::vector<uint64_t> slow_mask(const Matcher& matcher, const Vocabulary& vocabulary) {
  std::vector<uint64_t> mask(vocabulary.trie.words());
  for (TokenId id = 0; id < vocabulary.texts.size(); ++id) {
    Matcher probe = matcher;
    if (!vocabulary.texts[id].empty() && probe.advance(vocabulary.texts[id]))
      mask[id / 64] |= uint64_t{1} << (id % 64);
  }
  return mask;
}

// An answer drawn token by token through masks; ends where it may, with this chance, or must.
// Each mask is compared with the slow one if `compare`.
inline std::string draw(const Automaton& automaton, Masks& masks, const Vocabulary& vocabulary,
                        std::mt19937& chance, size_t tokens_max, bool compare = false) {
  Matcher matcher(automaton);
  std::string said;
  std::vector<uint64_t> mask(masks.words());
  for (size_t step = 0; step < tokens_max; ++step) {
    masks.fill(matcher, mask);
    if (compare) {
      EXPECT_EQ(mask, slow_mask(matcher, vocabulary)) << "after " << said;
    }
    std::vector<TokenId> allowed;
    for (TokenId id = 0; id < vocabulary.texts.size(); ++id) {
      if (has(mask, id)) allowed.push_back(id);
    }
    if (matcher.can_end() && (allowed.empty() || chance() % 3 == 0)) return said;
    EXPECT_FALSE(allowed.empty()) << "nothing may follow " << said;
    if (allowed.empty()) return said;
    // Nearly at the end of its patience it prefers what closes.
    TokenId chosen = allowed[chance() % allowed.size()];
    if (step > tokens_max / 2) {
      for (const TokenId id : allowed) {
        const char first = vocabulary.texts[id][0];
        const bool closes = first == '"' || first == '}' || first == ']';
        if (closes && vocabulary.texts[id].size() == 1) chosen = id;
      }
    }
    EXPECT_TRUE(matcher.advance(vocabulary.texts[chosen]))
        << said << " then " << vocabulary.texts[chosen];
    said += vocabulary.texts[chosen];
  }
  return matcher.can_end() ? said : "";
}

}  // namespace baton::constraint::testing
