#include "base/observe/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace baton {

ProgressBar::Style ProgressBar::best_style() {
  return ::isatty(STDERR_FILENO) != 0 ? Style::bar : Style::lines;
}

ProgressBar::ProgressBar(std::string label, size_t total, Style style)
    : label_(std::move(label)), total_(total), style_(style) {}

ProgressBar::~ProgressBar() {
  if (style_ == Style::bar && shown_ != 0) fmt::print(stderr, "\n");
}

void ProgressBar::add(size_t amount) {
  const size_t done = done_.fetch_add(amount) + amount;
  if (style_ == Style::off || total_ == 0) return;
  const size_t steps = style_ == Style::bar ? 200 : 10;
  const size_t step = static_cast<size_t>(static_cast<double>(done) / static_cast<double>(total_) *
                                          static_cast<double>(steps));
  const std::lock_guard lock(mutex_);
  if (step <= shown_) return;
  shown_ = step;
  show(step * 1000 / steps);
}

void ProgressBar::show(size_t tenths_of_percent) {
  if (style_ == Style::lines) {
    fmt::print(stderr, "{}: {} %\n", label_, tenths_of_percent / 10);
    return;
  }
  constexpr size_t kWidth = 40;
  const size_t filled = tenths_of_percent * kWidth / 1000;
  fmt::print(stderr, "\r{} [{:#<{}}{:.<{}}] {:3} % ", label_, "", filled, "", kWidth - filled,
             tenths_of_percent / 10);
  std::fflush(stderr);
}

}  // namespace baton
