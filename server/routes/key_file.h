// KeyFile: where API keys come from, and whether they have changed since. FileStamp: the state of a
// file, to be compared with a later one.
//
// A file that is being replaced may be missing or half written for a moment: what is kept until it
// can be read is the caller's. Thread safety: one thread.
#pragma once

#include <filesystem>
#include <string>

#include "server/routes/api_keys.h"

namespace baton::server {

// All zero for a file that isn't there.
struct FileStamp {
  int64_t seconds = 0, nanoseconds = 0, bytes = 0;
  uint64_t inode = 0;
  static FileStamp of(const std::filesystem::path& file);
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

class KeyFile {
 public:
  // `file` may be empty: there is only `key`, which may be empty too.
  KeyFile(std::filesystem::path file, std::string key);

  Result<ApiKeys> load();  // and remembers which state of the file that was
  bool changed() const;    // since the last load

 private:
  std::filesystem::path file_;
  std::string key_;
  FileStamp loaded_;
};

}  // namespace baton::server
