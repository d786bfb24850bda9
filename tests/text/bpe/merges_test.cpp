#include "model/text/bpe/merges.h"

#include <gtest/gtest.h>

#include <random>

namespace baton::text::bpe {
namespace {

// The definition: look at all pairs, join the best, start again.
std::vector<TokenId> slow_encode(const Merges& merges, std::vector<TokenId> tokens) {
  while (true) {
    size_t best = tokens.size();
    uint32_t rank = UINT32_MAX;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const auto rule = merges.find(tokens[i], tokens[i + 1]);
      if (rule.rank < rank) rank = rule.rank, best = i;
    }
    if (best == tokens.size()) return tokens;
    tokens[best] = merges.find(tokens[best], tokens[best + 1]).joined;
    tokens.erase(tokens.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

TEST(Merges, AgreesWithTheDefinitionOnRandomRulesAndPieces) {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    Merges merges;
    const TokenId letters = 2 + random() % 4;
    TokenId next = letters;
    for (uint32_t rank = 0; rank < 40; ++rank) {
      merges.add(random() % next, random() % next, {rank, next});
      ++next;
    }
    for (const size_t length : {0u, 1u, 2u, 7u, 31u, 32u, 33u, 34u, 100u, 300u}) {
      std::vector<TokenId> piece(length);
      for (auto& symbol : piece) symbol = random() % letters;
      std::vector<TokenId> fast;
      merges.encode(piece, fast);
      EXPECT_EQ(fast, slow_encode(merges, piece));
    }
  }
}

TEST(Merges, TheFirstRuleOfAPairCounts) {
  Merges merges;
  merges.add(1, 2, {5, 10});
  merges.add(1, 2, {6, 11});
  EXPECT_EQ(merges.find(1, 2).joined, 10u);
  EXPECT_EQ(merges.size(), 1u);
  EXPECT_EQ(merges.find(2, 1).rank, UINT32_MAX);
}

TEST(Merges, GrowsWithItsRules) {
  Merges merges;
  for (TokenId i = 0; i < 10'000; ++i) merges.add(i, i + 1, {i, i});
  for (TokenId i = 0; i < 10'000; ++i) EXPECT_EQ(merges.find(i, i + 1).rank, i);
}

}  // namespace
}  // namespace baton::text::bpe
