// ProgressBar: says on standard error how far long work has come: a bar on a terminal, else a line
// at every tenth.
//
// Thread safety: add() from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>

namespace baton {

class ProgressBar {
 public:
  enum class Style { off, lines, bar };
  static Style best_style();  // bar on a terminal, else lines

  ProgressBar(std::string label, size_t total, Style style);
  ~ProgressBar();  // ends the bar's line

  void add(size_t amount);

 private:
  void show(size_t tenths_of_percent);

  std::string label_;
  size_t total_;
  Style style_;
  std::atomic<size_t> done_{0};
  std::mutex mutex_;
  size_t shown_ = 0;  // steps of the style
};

}  // namespace baton
