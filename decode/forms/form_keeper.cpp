#include "decode/forms/form_keeper.h"

#include <algorithm>
#include <utility>

namespace baton::decode {

namespace {

void allow(std::span<uint64_t> mask, TokenId token) {
  if (token / 64 < mask.size()) mask[token / 64] |= uint64_t{1} << (token % 64);
}

}  // namespace

FormKeeper::FormKeeper(const ConstraintParams& params,
                       std::shared_ptr<constraint::Language> language,
                       std::vector<TokenId> end_tokens, uint32_t drafts_max)
    : params_(params),
      language_(std::move(language)),
      end_tokens_(std::move(end_tokens)),
      progress_{params.waits ? Stage::waits : Stage::keeps,
                constraint::Matcher(language_->automaton()),
                !params.waits && params.reasoning_begin.has_value()},
      draft_(progress_),
      masks_((1 + size_t{drafts_max}) * language_->masks().words()) {
  params_.text.clear();
  std::sort(end_tokens_.begin(), end_tokens_.end());
}

bool FormKeeper::is_end(TokenId token) const {
  return std::binary_search(end_tokens_.begin(), end_tokens_.end(), token);
}

void FormKeeper::advance(Progress& progress, TokenId token) const {
  switch (progress.stage) {
    case Stage::waits:
      if (token == params_.reasoning_end) progress.stage = Stage::keeps;
      return;
    case Stage::keeps:
      if (progress.matcher.at_start() && progress.may_reason && token == params_.reasoning_begin)
        progress.stage = Stage::waits, progress.may_reason = false;
      else if (progress.matcher.at_start() && token == params_.call_begin)
        progress.stage = Stage::lifted;
      else if (!is_end(token))
        progress.matcher.advance(language_->vocabulary().text(token));
      return;
    case Stage::lifted:
      return;
  }
}

void FormKeeper::push(TokenId token) { advance(progress_, token); }

void FormKeeper::fill(const Progress& progress, std::span<uint64_t> mask) {
  if (progress.stage != Stage::keeps) {
    std::ranges::fill(mask, ~uint64_t{0});
    if (progress.stage == Stage::lifted) return;
    for (const TokenId token : end_tokens_) {
      if (token / 64 < mask.size()) mask[token / 64] &= ~(uint64_t{1} << (token % 64));
    }
    return;
  }
  language_->masks().fill(progress.matcher, mask);
  const bool stuck = std::ranges::all_of(mask, [](uint64_t word) { return word == 0; });
  if (progress.matcher.at_start()) {
    if (progress.may_reason) allow(mask, *params_.reasoning_begin);
    if (params_.call_begin) allow(mask, *params_.call_begin);
  }
  if (stuck || progress.matcher.can_end()) {
    for (const TokenId token : end_tokens_) allow(mask, token);
  }
}

uint32_t FormKeeper::prepare(std::span<const TokenId> drafts) {
  const size_t words = language_->masks().words();
  draft_ = progress_;
  bool binds = false;
  uint32_t row = 0;
  for (;; ++row) {
    const auto mask = std::span(masks_).subspan(row * words, words);
    fill(draft_, mask);
    binds = binds || draft_.stage != Stage::lifted;
    if (row == drafts.size()) break;
    const TokenId draft = drafts[row];
    const bool allowed = draft / 64 < words && (mask[draft / 64] >> (draft % 64) & 1) != 0;
    if (!allowed) break;
    advance(draft_, draft);
  }
  used_ = binds ? (1 + size_t{row}) * words : 0;
  return row;
}

}  // namespace baton::decode
