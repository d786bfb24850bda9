#include "server/relay/token_log.h"

#include "base/result.h"

namespace baton::server {

TokenLog::TokenLog(uint32_t choices, uint32_t tokens_max)
    : choices_(choices), tokens_max_(tokens_max), open_(choices) {}

TokenLog::Verdict TokenLog::judge(const TokenEvent& event) const {
  if (event.choice >= choices_.size() || event.index >= tokens_max_) return Verdict::foreign;
  const Choice& choice = choices_[event.choice];
  if (event.index < choice.tokens.size()) return Verdict::duplicate;
  if (choice.finished) return Verdict::foreign;
  return event.index == choice.tokens.size() ? Verdict::next : Verdict::gap;
}

void TokenLog::append(const TokenEvent& event) {
  check(judge(event) == Verdict::next, "a token is logged that is not the next of its choice");
  Choice& choice = choices_[event.choice];
  choice.tokens.push_back(event.token);
  ++tokens_;
  if (!event.finish) return;
  choice.finished = true;
  --open_;
}

std::vector<std::vector<TokenId>> TokenLog::known() const {
  std::vector<std::vector<TokenId>> known;
  if (empty()) return known;
  for (const Choice& choice : choices_) known.push_back(choice.tokens);
  return known;
}

}  // namespace baton::server
