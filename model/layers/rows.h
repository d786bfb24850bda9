// RowPlan: the rows of one forward pass: where each stands in its sequence, and which form of
// attention it goes through.
//
// Invariants: a run is a stretch of consecutive positions of one sequence in one form; runs follow
// one another without gap; pages cover every position of their run. Memory is reserved once; add()
// allocates nothing. Thread safety: built by one thread, then read by all.
#pragma once

#include <span>
#include <vector>

#include "model/layers/rope.h"
#include "proto/ids.h"

namespace baton::layers {

// Positions before a prompt's last one: keys and values expanded from the latent. All others: the
// queries absorb the expansion and attend to the latent itself (DeepSeek-V2 report, 2.1).
enum class Form : uint8_t { prefill, decode };

struct Run {
  std::span<const PageId> pages;
  uint32_t row = 0;  // the first of `count` rows
  uint32_t count = 0;
  Position first = 0;
  Form form = Form::decode;
};

class RowPlan {
 public:
  RowPlan(const Rope& rope, uint32_t rows_max);

  void clear();
  // Appends rows at positions first, first + 1, ... of a sequence with a prompt of that many
  // tokens, and splits them into runs by form.
  void add(std::span<const PageId> pages, uint32_t prompt_tokens, Position first, uint32_t count);

  uint32_t rows() const { return static_cast<uint32_t>(positions_.size()); }
  std::span<const Run> runs() const { return runs_; }
  Position position(uint32_t row) const { return positions_[row]; }
  const Run& run_of(uint32_t row) const { return runs_[run_of_[row]]; }
  std::span<const uint32_t> decode_rows() const { return decode_rows_; }
  std::span<const float> cos(uint32_t row) const { return angles(cos_, row); }
  std::span<const float> sin(uint32_t row) const { return angles(sin_, row); }

 private:
  void add_run(std::span<const PageId> pages, Position first, uint32_t count, Form form);
  std::span<const float> angles(const std::vector<float>& of, uint32_t row) const {
    return std::span(of).subspan(row * rope_.pairs(), rope_.pairs());
  }

  const Rope& rope_;
  uint32_t rows_max_;
  std::vector<Position> positions_;
  std::vector<Run> runs_;
  std::vector<uint32_t> run_of_;
  std::vector<uint32_t> decode_rows_;
  std::vector<float> cos_;  // [rows, pairs]
  std::vector<float> sin_;  // [rows, pairs]
};

}  // namespace baton::layers
