// PartTracker: which part of an answer a choice is in, by the tokens that it has said.
//
// A marker opens a part; tokens between are of that part. Where reasoning has a budget, the marker
// that opens content must come when it is spent. A function of the tokens alone, so a replay gives
// the same. Thread safety: values.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>

#include "proto/request.h"

namespace baton::decode {

class PartTracker {
 public:
  PartTracker() = default;
  explicit PartTracker(const PartParams& params) : params_(params), part_(params.first) {}

  Part part() const { return part_; }
  bool is_marker(TokenId token) const { return find(token) != params_.markers.end(); }

  void push(TokenId token) {
    if (const auto marker = find(token); marker != params_.markers.end()) {
      part_ = marker->opens;
    } else if (part_ == Part::reasoning) {
      ++reasoned_;
    }
  }

  // What the next token has to be.
  std::optional<TokenId> forced() const {
    if (part_ != Part::reasoning || !params_.reasoning_max || reasoned_ < *params_.reasoning_max) {
      return std::nullopt;
    }
    const auto end = std::ranges::find(params_.markers, Part::content, &Marker::opens);
    if (end == params_.markers.end()) return std::nullopt;
    return end->token;
  }

  // How many tokens after the next one are certainly not forced, so that they may be drafted.
  uint32_t free_tokens() const {
    if (!params_.reasoning_max) return std::numeric_limits<uint32_t>::max();
    const uint32_t left = *params_.reasoning_max - std::min(reasoned_, *params_.reasoning_max);
    if (part_ != Part::reasoning) return left;
    return left == 0 ? 0 : left - 1;
  }

 private:
  std::vector<Marker>::const_iterator find(TokenId token) const {
    const auto at = std::ranges::lower_bound(params_.markers, token, {}, &Marker::token);
    return at != params_.markers.end() && at->token == token ? at : params_.markers.end();
  }

  PartParams params_;
  Part part_ = Part::content;
  uint32_t reasoned_ = 0;
};

}  // namespace baton::decode
