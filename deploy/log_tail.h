// LogTail: follows the file that a daemon's output goes to: copies what is new to the launcher's
// standard error, if asked, and keeps the end of it, where last words stand.
//
// Thread safety: one thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace baton::deploy {

class LogTail {
 public:
  LogTail() = default;
  // What is in the file already is an earlier life's. With `echo` the file is nobody else's: it is
  // emptied when it has grown large and all of it has been copied.
  LogTail(std::filesystem::path file, bool echo);

  void follow();
  std::string_view text() const { return text_; }  // the end of it, since the start of this life

 private:
  std::filesystem::path file_;
  bool echo_ = false;
  std::uintmax_t offset_ = 0;
  std::string text_;
};

}  // namespace baton::deploy
