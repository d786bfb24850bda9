#include "bench/constraint/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/hash/counter_rng.h"
#include "model/text/utf8.h"

namespace baton::bench {

namespace {

std::string make_word(SeededRandom& random) {
  constexpr std::array<std::string_view, 12> kStarts = {"b", "st", "c",  "d", "pr", "m",
                                                        "l", "th", "tr", "s", "r",  "n"};
  constexpr std::array<std::string_view, 10> kMiddles = {"a",  "e",  "i",  "o",  "u",
                                                         "ea", "ou", "io", "er", "al"};
  constexpr std::array<std::string_view, 8> kEnds = {"n", "t", "ing", "tion", "s", "d", "ly", ""};
  std::string word;
  for (uint64_t syllables = 1 + random.below(3); syllables > 0; --syllables) {
    word += kStarts[random.below(kStarts.size())];
    word += kMiddles[random.below(kMiddles.size())];
  }
  word += kEnds[random.below(kEnds.size())];
  if (random.chance(0.2)) word[0] = static_cast<char>(word[0] - 'a' + 'A');
  return random.chance(0.5) ? " " + word : word;
}

std::string make_punctuation(SeededRandom& random) {
  constexpr std::string_view kSigns = "\"\",,::{}[]().;'=-_/\\<>!?#*&|+";
  std::string run = random.chance(0.3) ? " " : "";
  for (uint64_t length = 1 + random.below(4); length > 0; --length)
    run += kSigns[random.below(kSigns.size())];
  if (random.chance(0.2)) run += '\n';
  return run;
}

std::string make_han(SeededRandom& random) {
  std::string text;
  for (uint64_t length = 1 + random.below(3); length > 0; --length)
    text::append_utf8(text, static_cast<char32_t>(0x4E00 + random.below(6000)));
  return text;
}

}  // namespace

std::vector<std::string> make_vocabulary(size_t size) {
  SeededRandom random(11);
  std::vector<std::string> all;
  std::set<std::string> known;
  const auto add = [&](std::string token) {
    if (all.size() < size && known.insert(token).second) all.push_back(std::move(token));
  };
  for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
  for (int number = 0; number < 1000; ++number) {
    add(std::to_string(number));
    add(fmt::format("{:02}", number % 100));
    add(fmt::format("{:03}", number));
  }
  for (size_t spaces = 2; spaces <= 128; ++spaces) {
    add(std::string(spaces, ' '));
    add('\n' + std::string(spaces, ' '));
  }
  for (const char* piece : {"{\"", "\":", "\": \"", "\",", "\", \"", "\"}", "\"},", "\"]", "[{\"",
                            "\"}]", "}]", "]}", "true", "false", "null", " true", " null"})
    add(piece);
  while (all.size() < size * 4 / 100) add(make_punctuation(random));
  while (all.size() < size * 35 / 100) add(make_han(random));
  while (all.size() < size) add(make_word(random) + (random.chance(0.3) ? make_word(random) : ""));
  return all;
}

GreedyTokenizer::GreedyTokenizer(const std::vector<std::string_view>& tokens) {
  for (TokenId id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    sorted_.emplace_back(tokens[id], id);
    longest_ = std::max(longest_, tokens[id].size());
  }
  std::sort(sorted_.begin(), sorted_.end());
}

std::vector<TokenId> GreedyTokenizer::encode(std::string_view text) const {
  std::vector<TokenId> ids;
  while (!text.empty()) {
    size_t length = std::min(longest_, text.size());
    for (; length > 0; --length) {
      const auto piece = text.substr(0, length);
      const auto found = std::lower_bound(sorted_.begin(), sorted_.end(), piece,
                                          [](const auto& a, auto b) { return a.first < b; });
      if (found == sorted_.end() || found->first != piece) continue;
      ids.push_back(found->second);
      break;
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return ids;
}

}  // namespace baton::bench
