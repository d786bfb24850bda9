#include "model/constraint/token_trie.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace baton::constraint {

namespace {

constexpr uint8_t kSameBytesMax = std::numeric_limits<uint8_t>::max();

}  // namespace

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
}

size_t TokenTrie::bytes() const {
  return nodes_.capacity() * sizeof(Node) + tokens_.capacity() * sizeof(TokenId) +
         bytes_.capacity() * sizeof(std::string_view);
}

}  // namespace baton::constraint
