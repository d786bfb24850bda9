// RulePlan: which rules of a grammar are called and which are copied to where they are used, and
// which may be empty. Only rules that the root needs are planned. Thread safety: values.
#pragma once

#include <vector>

#include "base/result.h"
#include "model/constraint/grammar/grammar.h"

namespace baton::constraint {

struct RulePlan {
  static constexpr uint32_t kCopied = 0xFFFFFFFF;

  std::vector<RuleId> rules;     // those that are called, the root first
  std::vector<uint32_t> called;  // [grammar rules]: index into `rules`, or kCopied
  std::vector<bool> nullable;    // [grammar rules]
};

// Fails where a rule has no body.
Result<RulePlan> plan_rules(const Grammar& grammar);

}  // namespace baton::constraint
