#include "deploy/log_tail.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

namespace baton::deploy {
namespace {

constexpr size_t kKept = 8192;
constexpr std::uintmax_t kEmptiedAt = 16 << 20;

}  // namespace

LogTail::LogTail(std::filesystem::path file, bool echo) : file_(std::move(file)), echo_(echo) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file_, error);
  if (!error) offset_ = size;
}

void LogTail::follow() {
  std::error_code error;
  const auto size = std::filesystem::file_size(file_, error);
  if (error || size <= offset_) return;
  if (!echo_ && size - offset_ > kKept) offset_ = size - kKept;
  std::ifstream in(file_, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset_));
  std::array<char, 64 * 1024> piece;
  while (in.read(piece.data(), piece.size()) || in.gcount() > 0) {
    const auto count = static_cast<size_t>(in.gcount());
    if (echo_) std::fwrite(piece.data(), 1, count, stderr);
    text_.append(piece.data(), count);
    if (text_.size() > kKept) text_.erase(0, text_.size() - kKept);
    offset_ += count;
  }
  if (echo_ && offset_ >= kEmptiedAt && std::filesystem::file_size(file_, error) == offset_) {
    std::filesystem::resize_file(file_, 0, error);
    offset_ = 0;
  }
}

}  // namespace baton::deploy
