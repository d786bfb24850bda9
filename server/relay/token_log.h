// TokenLog: the tokens of one request that its client has, by choice. The gateway owns it, in
// memory, bounded by choices * max_tokens.
//
// An event is the next of its choice, or one that is known (a worker was too late, or a message
// came twice), or it leaves a gap (a message was lost). Only the next is ever delivered: so no
// token can be lost, doubled or come out of order. Thread safety: its owner's.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/request.h"

namespace baton::server {

class TokenLog {
 public:
  TokenLog() = default;
  TokenLog(uint32_t choices, uint32_t tokens_max);

  enum class Verdict : uint8_t {
    next,
    duplicate,
    gap,
    foreign
  };  // foreign: no such choice or room
  Verdict judge(const TokenEvent& event) const;
  void append(const TokenEvent& event);  // the next one

  bool empty() const { return tokens_ == 0; }
  bool finished() const { return open_ == 0; }  // every choice has ended
  uint32_t tokens() const { return tokens_; }   // over all choices
  // For RequestState::known: nothing until a token came, then a list for each choice.
  std::vector<std::vector<TokenId>> known() const;

 private:
  struct Choice {
    std::vector<TokenId> tokens;
    bool finished = false;
  };
  std::vector<Choice> choices_;
  uint32_t tokens_max_ = 0;
  uint32_t tokens_ = 0;
  uint32_t open_ = 0;
};

}  // namespace baton::server
