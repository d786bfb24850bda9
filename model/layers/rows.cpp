#include "model/layers/rows.h"

#include <algorithm>

#include "base/result.h"

namespace baton::layers {

RowPlan::RowPlan(const Rope& rope, uint32_t rows_max)
    : rope_(rope),
      rows_max_(rows_max),
      cos_(rows_max * rope.pairs()),
      sin_(rows_max * rope.pairs()) {
  positions_.reserve(rows_max);
  runs_.reserve(rows_max);
  run_of_.reserve(rows_max);
  decode_rows_.reserve(rows_max);
}

void RowPlan::clear() {
  positions_.clear();
  runs_.clear();
  run_of_.clear();
  decode_rows_.clear();
}

void RowPlan::add(std::span<const PageId> pages, uint32_t prompt_tokens, Position first,
                  uint32_t count) {
  check(prompt_tokens >= 1, "a prompt has a token");
  check(rows() + count <= rows_max_, "a step's rows stay within the runner's limit");
  check(size_t{first} + count <= pages.size() * kPageTokens, "pages cover every row's position");
  const Position split = std::max(prompt_tokens - 1, first);
  const uint32_t before = std::min(count, split - first);
  add_run(pages, first, before, Form::prefill);
  add_run(pages, first + before, count - before, Form::decode);
}

void RowPlan::add_run(std::span<const PageId> pages, Position first, uint32_t count, Form form) {
  if (count == 0) return;
  const auto run = static_cast<uint32_t>(runs_.size());
  runs_.push_back({pages, rows(), count, first, form});
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t row = rows();
    const size_t at = row * rope_.pairs();
    rope_.angles(first + i, std::span(cos_).subspan(at, rope_.pairs()),
                 std::span(sin_).subspan(at, rope_.pairs()));
    positions_.push_back(first + i);
    run_of_.push_back(run);
    if (form == Form::decode) decode_rows_.push_back(row);
  }
}

}  // namespace baton::layers
