// KeyFile: where API keys come from, and whether they have changed since.
//
// A file that is being replaced may be missing or half written for a moment: what is kept until it
// can be read is the caller's. Thread safety: one thread.
#pragma once

#include <filesystem>
#include <string>

#include "server/routes/api_keys.h"

namespace baton::server {

class KeyFile {
 public:
  // `file` may be empty: there is only `key`, which may be empty too.
  KeyFile(std::filesystem::path file, std::string key);

  Result<ApiKeys> load();  // and remembers which state of the file that was
  bool changed() const;    // since the last load

 private:
  struct Stamp {
    int64_t seconds = 0, nanoseconds = 0, bytes = 0;
    uint64_t inode = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  Stamp stamp() const;

  std::filesystem::path file_;
  std::string key_;
  Stamp loaded_;
};

}  // namespace baton::server
