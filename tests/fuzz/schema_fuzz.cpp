// Any specification of a form is refused with a sentence or compiles to an automaton that keeps its
// promises: a walk through it never gets stuck, masks are what trying each token gives, and what a
// schema's walk has said is JSON. The first byte says which form the rest is.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/constraint/masks.h"
#include "model/constraint/specification.h"

namespace {

using namespace baton;
using namespace baton::constraint;

const TokenTrie& vocabulary() {
  static const std::vector<std::string> texts = [] {
    std::vector<std::string> all;
    for (int byte = 0; byte < 256; ++byte) all.push_back(std::string(1, static_cast<char>(byte)));
    for (const char* piece : {"{\"", "\":", "\",\"", "\"}", "]}", ", ", "true", "12", "\xE4\xBD",
                              "ab", "\\u00", "\n  ", "[[", "]]", "\"\"", "-1."})
      all.emplace_back(piece);
    return all;
  }();
  static const TokenTrie trie{std::vector<std::string_view>(texts.begin(), texts.end())};
  return trie;
}

bool has(std::span<const uint64_t> mask, TokenId id) {
  return (mask[id / 64] >> (id % 64) & 1) != 0;
}

// Takes the tokens that `chance` says, sooner those that close what is open.
void walk(const Automaton& automaton, bool json, uint32_t chance) {
  Masks masks(automaton, vocabulary());
  Matcher matcher(automaton);
  std::array<uint64_t, 8> words{};
  const auto mask = std::span(words).first(masks.words());
  std::string said;
  for (int step = 0; step < 24; ++step) {
    masks.fill(matcher, mask);
    std::vector<TokenId> allowed;
    for (TokenId id = 0; id < vocabulary().vocabulary(); ++id) {
      if (has(mask, id)) allowed.push_back(id);
    }
    if (step % 8 == 0) {
      for (TokenId id = 0; id < vocabulary().vocabulary(); ++id) {
        Matcher probe = matcher;
        check(probe.advance(vocabulary().text(id)) == has(mask, id),
              "a mask is what trying each token gives");
      }
    }
    check(!allowed.empty() || matcher.can_end(), "a walk never gets stuck");
    check(allowed.empty() != matcher.can_go_on(), "some byte may follow, or none");
    if (allowed.empty()) break;
    chance = chance * 1664525 + 1013904223;
    const TokenId chosen = allowed[(chance >> 8) % allowed.size()];
    said += vocabulary().text(chosen);
    check(matcher.advance(vocabulary().text(chosen)), "a token of a mask may follow");
  }
  if (!json || !matcher.can_end()) return;
  check(nlohmann::json::accept(said), "what a schema's walk has said is JSON");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr std::array<Form, 4> kForms = {Form::json_schema, Form::regex, Form::grammar,
                                          Form::choice};
  const Form form = kForms[data[0] % kForms.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr Limits kSmall{.nfa_states_max = 20'000, .states_max = 2'000, .steps_max = 500'000};
  const auto automaton = compile(form, text, kSmall);
  if (!automaton) {
    check(automaton.error().message.find(to_string(form)) == 0, "a refusal names the form");
    return 0;
  }
  uint32_t chance = static_cast<uint32_t>(size);
  for (const char c : text) chance = chance * 31 + static_cast<uint8_t>(c);
  for (uint32_t round = 0; round < 3; ++round)
    walk(*automaton, form == Form::json_schema, chance + round);
  return 0;
}
