#include "model/text/bpe/merges.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <queue>
#include <utility>

namespace baton::text::bpe {
namespace {

constexpr size_t short_piece_max = 32;
constexpr uint32_t no_rank = std::numeric_limits<uint32_t>::max();
constexpr uint32_t nowhere = std::numeric_limits<uint32_t>::max();

uint64_t pair_of(TokenId left, TokenId right) { return uint64_t{left} << 32 | right; }

}  // namespace

void Merges::reserve(size_t count) {
  const size_t wanted = std::bit_ceil(std::max<size_t>(16, count * 2));
  if (wanted <= slots_.size()) return;
  const auto old = std::exchange(slots_, std::vector<Slot>(wanted));
  shift_ = 64 - std::countr_zero(wanted);
  count_ = 0;
  for (const auto& slot : old) {
    if (slot.pair != UINT64_MAX) {
      add(static_cast<TokenId>(slot.pair >> 32), static_cast<TokenId>(slot.pair), slot.rule);
    }
  }
}

void Merges::add(TokenId left, TokenId right, Rule rule) {
  if ((count_ + 1) * 2 > slots_.size()) reserve((count_ + 1) * 2);
  const uint64_t pair = pair_of(left, right);
  size_t slot = home(pair);
  while (slots_[slot].pair != UINT64_MAX) {
    if (slots_[slot].pair == pair) return;
    slot = (slot + 1) & (slots_.size() - 1);
  }
  slots_[slot] = {pair, rule};
  ++count_;
}

Merges::Rule Merges::find(TokenId left, TokenId right) const {
  if (slots_.empty()) return {no_rank, 0};
  const uint64_t pair = pair_of(left, right);
  for (size_t slot = home(pair);; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].pair == pair) return slots_[slot].rule;
    if (slots_[slot].pair == UINT64_MAX) return {no_rank, 0};
  }
}

void Merges::encode(std::span<const TokenId> symbols, std::vector<TokenId>& out) const {
  if (symbols.size() <= short_piece_max) {
    encode_short(symbols, out);
  } else {
    encode_long(symbols, out);
  }
}

void Merges::encode_short(std::span<const TokenId> symbols, std::vector<TokenId>& out) const {
  std::array<TokenId, short_piece_max> tokens;
  std::array<Rule, short_piece_max> rules;  // [i]: of tokens i and i+1
  size_t count = symbols.size();
  std::copy(symbols.begin(), symbols.end(), tokens.begin());
  for (size_t i = 0; i + 1 < count; ++i) rules[i] = find(tokens[i], tokens[i + 1]);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (rules[i].rank < rules[best].rank) best = i;
    }
    if (rules[best].rank == no_rank) break;
    tokens[best] = rules[best].joined;
    std::copy(tokens.begin() + best + 2, tokens.begin() + count, tokens.begin() + best + 1);
    std::copy(rules.begin() + best + 1, rules.begin() + count - 1, rules.begin() + best);
    --count;
    if (best > 0) rules[best - 1] = find(tokens[best - 1], tokens[best]);
    if (best + 1 < count) rules[best] = find(tokens[best], tokens[best + 1]);
  }
  out.insert(out.end(), tokens.begin(), tokens.begin() + count);
}

void Merges::encode_long(std::span<const TokenId> symbols, std::vector<TokenId>& out) const {
  struct Node {
    TokenId token;
    uint32_t previous;
    uint32_t next;
    bool alive;
  };
  struct Candidate {
    uint32_t rank;
    uint32_t at;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const auto count = static_cast<uint32_t>(symbols.size());
  std::vector<Node> nodes(count);
  std::vector<Candidate> first;
  first.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    nodes[i] = {symbols[i], i == 0 ? nowhere : i - 1, i + 1 == count ? nowhere : i + 1, true};
    if (i + 1 < count) {
      const Rule rule = find(symbols[i], symbols[i + 1]);
      if (rule.rank != no_rank) first.push_back({rule.rank, i});
    }
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>(),
                                                                               std::move(first));
  const auto propose = [&](uint32_t at) {
    if (at == nowhere || nodes[at].next == nowhere) return;
    const Rule rule = find(nodes[at].token, nodes[nodes[at].next].token);
    if (rule.rank != no_rank) queue.push({rule.rank, at});
  };
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Node& node = nodes[best.at];
    if (!node.alive || node.next == nowhere) continue;
    const Rule rule = find(node.token, nodes[node.next].token);
    if (rule.rank != best.rank) continue;  // proposed before a neighbour changed
    Node& right = nodes[node.next];
    right.alive = false;
    node.token = rule.joined;
    node.next = right.next;
    if (node.next != nowhere) nodes[node.next].previous = best.at;
    propose(node.previous);
    propose(best.at);
  }
  for (uint32_t i = 0; i != nowhere; i = nodes[i].next) out.push_back(nodes[i].token);
}

}  // namespace baton::text::bpe
