#include "model/constraint/token_trie.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "model/text/utf8.h"

namespace baton::constraint {

namespace {

constexpr uint8_t kSameBytesMax = std::numeric_limits<uint8_t>::max();

bool is_inside(uint8_t byte) { return (byte & 0xC0) == 0x80; }  // of a character

}  // namespace

ByteKinds kind_of(uint8_t byte) {
  const auto in = [byte](char low, char high) { return byte >= low && byte <= high; };
  if (byte >= 0x80) return kBeyondAscii;
  if (in('a', 'z')) return 1u << 0;
  if (in('A', 'Z')) return 1u << 1;
  if (in('0', '9')) return 1u << 2;
  constexpr std::string_view kSingle = " \"\\\n_-.,";
  if (const size_t at = kSingle.find(static_cast<char>(byte)); at != kSingle.npos)
    return static_cast<ByteKinds>(1u << (3 + at));
  if (byte < 0x20 || byte == 0x7F) return 1u << 11;
  return std::string_view("{}[]:").find(static_cast<char>(byte)) != std::string_view::npos
             ? 1u << 12
             : 1u << 13;
}

TokenTrie::TokenTrie(std::vector<std::string_view> bytes) : bytes_(std::move(bytes)) {
  for (TokenId id = 0; id < bytes_.size(); ++id) {
    if (!bytes_[id].empty() && bytes_[id].size() <= kTokenBytesMax) tokens_.push_back(id);
  }
  std::sort(tokens_.begin(), tokens_.end(), [&](TokenId a, TokenId b) {
    const int order = bytes_[a].compare(bytes_[b]);
    return order != 0 ? order < 0 : a < b;
  });
  std::vector<uint32_t> path;  // the nodes of the token before
  std::string_view former;
  const auto leave = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back())
      nodes_[path.back()].after = static_cast<uint32_t>(nodes_.size());
  };
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view token = bytes_[tokens_[i]];
    const auto common = static_cast<size_t>(
        std::mismatch(token.begin(), token.end(), former.begin(), former.end()).first -
        token.begin());
    leave(common);
    for (size_t d = common; d < token.size(); ++d) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.after = 0,
                        .first = i,
                        .byte = static_cast<uint8_t>(token[d]),
                        .count = 0,
                        .depth = static_cast<uint16_t>(d + 1)});
    }
    Node& last = nodes_[path.back()];
    if (last.count == 0) last.first = i;
    if (last.count < kSameBytesMax) ++last.count;
    depth_ = std::max(depth_, token.size());
    former = token;
  }
  leave(0);
  nodes_.shrink_to_fit();
  summarise();
}

// From the last node to the first: children before their parents. A node is passed on to its parent
// with its own byte.
void TokenTrie::summarise() {
  std::vector<uint32_t> parents(depth_ + 1);  // by depth, going forwards
  std::vector<uint32_t> parent(nodes_.size());
  std::vector<bool> whole(nodes_.size());  // the bytes up to here are whole characters
  std::vector<size_t> begun(depth_ + 1);   // where the last character of the path begins
  characters_.resize(nodes_.size());
  up_to_.resize(kUpToMax * words());
  std::string path;
  for (uint32_t n = 0; n < nodes_.size(); ++n) {
    const Node& node = nodes_[n];
    path.resize(node.depth - 1u);
    path += static_cast<char>(node.byte);
    parent[n] = parents[node.depth - 1u];
    parents[node.depth] = n;
    const bool begins = node.depth == 1 || whole[parent[n]];
    begun[node.depth] = begins ? node.depth - 1u : begun[node.depth - 1u];
    const auto last = std::string_view(path).substr(begun[node.depth]);
    whole[n] = text::utf8_step(last).kind == text::Utf8::whole;
    const unsigned before = node.depth == 1 ? 0 : characters_[parent[n]];
    characters_[n] = static_cast<uint16_t>(before + (is_inside(node.byte) ? 0 : 1));
    for (uint16_t most = std::max<uint16_t>(characters_[n], 1); most <= kUpToMax; ++most) {
      for (const TokenId id : tokens(node))
        up_to_[(most - 1u) * words() + id / 64] |= uint64_t{1} << (id % 64);
    }
  }
  for (uint32_t n = static_cast<uint32_t>(nodes_.size()); n-- > 0;) {
    Node& node = nodes_[n];
    if (node.depth == 1) continue;
    Node& above = nodes_[parent[n]];
    above.kinds |= node.kinds | kind_of(node.byte);
    if (node.count > 0 && !whole[n]) above.kinds |= kBroken;
    const int characters = node.characters + (is_inside(node.byte) ? 0 : 1);
    above.characters = std::max(above.characters, static_cast<uint16_t>(characters));
  }
  for (uint32_t n = 0; n < nodes_.size(); ++n) {
    if (!whole[n]) nodes_[n].kinds |= kBroken;  // what comes behind begins inside of a character
  }
}

size_t TokenTrie::bytes() const {
  return nodes_.capacity() * sizeof(Node) + tokens_.capacity() * sizeof(TokenId) +
         bytes_.capacity() * sizeof(std::string_view) + characters_.capacity() * sizeof(uint16_t) +
         up_to_.capacity() * sizeof(uint64_t);
}

}  // namespace baton::constraint
