// FormKeeper: keeps one choice's answer to the form that its request asks for.
//
// It waits while the answer reasons, which must not be its end; then each token must go on in the
// language, and end-of-sequence tokens are allowed where the answer may end; where nothing else is,
// one of them has to come. A call of a tool in place of an answer lifts it. Where no token can go
// on (a vocabulary without some bytes), the answer may end too. The state is a function of the
// request and the tokens pushed, so a replay comes to the same. Drafts are looked at on a copy.
// Thread safety: its owner's; what the spans point to stays until the next prepare().
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "model/constraint/language.h"
#include "proto/request.h"

namespace baton::decode {

class FormKeeper {
 public:
  // end_tokens: those that end this answer.
  FormKeeper(const ConstraintParams& params, std::shared_ptr<constraint::Language> language,
             std::vector<TokenId> end_tokens, uint32_t drafts_max);

  void push(TokenId token);

  // Before a step: the masks of the token to come and of each after a draft. Returns how many of
  // the drafts the form allows; more can't be accepted.
  uint32_t prepare(std::span<const TokenId> drafts);
  // [1 + allowed drafts, words]: bit id is set where that token may be chosen; empty: any may.
  std::span<const uint64_t> masks() const { return std::span(masks_).first(used_); }

 private:
  enum class Stage : uint8_t { waits, keeps, lifted };
  struct Progress {
    Stage stage;
    constraint::Matcher matcher;
    bool may_reason;  // once
  };
  void advance(Progress& progress, TokenId token) const;
  bool is_end(TokenId token) const;
  void fill(const Progress& progress, std::span<uint64_t> mask);

  ConstraintParams params_;  // without its text
  std::shared_ptr<constraint::Language> language_;
  std::vector<TokenId> end_tokens_;  // ascending
  Progress progress_;
  Progress draft_;
  std::vector<uint64_t> masks_;  // [1 + drafts_max, words]
  size_t used_ = 0;
};

}  // namespace baton::decode
