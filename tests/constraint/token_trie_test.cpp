#include "model/constraint/token_trie.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <string>

namespace baton::constraint {
namespace {

// The tokens of the trie, by the bytes on the way to them.
std::multimap<std::string, TokenId> read_back(const TokenTrie& trie) {
  std::multimap<std::string, TokenId> all;
  std::string path;
  for (const auto& node : trie.nodes()) {
    path.resize(node.depth - 1u);
    path += static_cast<char>(node.byte);
    for (const TokenId id : trie.tokens(node)) all.emplace(path, id);
  }
  return all;
}

TEST(TokenTrie, has_every_token_under_its_bytes) {
  const std::vector<std::string_view> bytes{"b", "a", "", "ab", "abc", "b", "\xFF\xFE", "abd", "a"};
  const TokenTrie trie(bytes);
  const auto all = read_back(trie);
  EXPECT_EQ(all.size(), bytes.size() - 1);
  for (TokenId id = 0; id < bytes.size(); ++id) {
    const auto range = all.equal_range(std::string(bytes[id]));
    const bool there = std::any_of(range.first, range.second,
                                   [&](const auto& entry) { return entry.second == id; });
    EXPECT_EQ(there, !bytes[id].empty());
  }
  EXPECT_EQ(trie.vocabulary(), 9u);
  EXPECT_EQ(trie.words(), 1u);
  EXPECT_EQ(trie.depth(), 3u);
}

TEST(TokenTrie, subtrees_are_left_by_a_jump) {
  const std::vector<std::string_view> bytes{"abc", "abd", "ab", "b", "ca"};
  const TokenTrie trie(bytes);
  const auto nodes = trie.nodes();
  ASSERT_EQ(nodes.size(), 7u);
  for (size_t n = 0; n < nodes.size(); ++n) {
    size_t after = n + 1;
    while (after < nodes.size() && nodes[after].depth > nodes[n].depth) ++after;
    EXPECT_EQ(nodes[n].after, after);
  }
  EXPECT_GT(trie.bytes(), 7 * sizeof(TokenTrie::Node) - 1);
}

TEST(TokenTrie, one_without_tokens_and_tokens_that_are_too_long) {
  EXPECT_TRUE(TokenTrie(std::vector<std::string_view>()).nodes().empty());
  const std::string longest(TokenTrie::kTokenBytesMax, 'x'), longer = longest + 'x';
  const std::vector<std::string_view> bytes{longest, longer};
  const TokenTrie trie(bytes);
  EXPECT_EQ(trie.tokens().size(), 1u);
  EXPECT_EQ(trie.depth(), TokenTrie::kTokenBytesMax);
}

TEST(TokenTrie, a_node_knows_what_comes_behind_it) {
  const std::vector<std::string_view> bytes{"ab", "aB1", "a\"", "x\u4F60z", "y\xE4\xBD", "\xA0k"};
  const TokenTrie trie(bytes);
  const auto node = [&](std::string_view path) {
    std::string at;
    for (const auto& each : trie.nodes()) {
      at.resize(each.depth - 1u);
      at += static_cast<char>(each.byte);
      if (at == path) return each;
    }
    ADD_FAILURE() << path;
    return TokenTrie::Node{};
  };
  EXPECT_EQ(node("a").kinds, kind_of('b') | kind_of('B') | kind_of('1') | kind_of('"'));
  EXPECT_EQ(node("a").characters, 2u);
  EXPECT_EQ(node("ab").kinds, 0u);
  EXPECT_EQ(node("x").kinds, kBeyondAscii | kind_of('z'));
  EXPECT_EQ(node("x").characters, 2u);
  EXPECT_NE(node("x\xE4").kinds & kBroken, 0u) << "it stands inside of a character";
  EXPECT_EQ(node("x\u4F60").kinds, kind_of('z'));
  EXPECT_NE(node("y").kinds & kBroken, 0u) << "a token ends inside of a character";
  EXPECT_NE(node("\xA0").kinds & kBroken, 0u);
  for (int a = 0; a < 128; ++a) {
    EXPECT_EQ(std::popcount(kind_of(static_cast<uint8_t>(a))), 1);
    EXPECT_LT(kind_of(static_cast<uint8_t>(a)), kBeyondAscii);
  }
}

}  // namespace
}  // namespace baton::constraint
