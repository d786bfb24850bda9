#include "server/routes/key_file.h"

#include <sys/stat.h>

namespace baton::server {

KeyFile::KeyFile(std::filesystem::path file, std::string key)
    : file_(std::move(file)), key_(std::move(key)) {}

FileStamp FileStamp::of(const std::filesystem::path& file) {
  struct stat found {};
  if (file.empty() || ::stat(file.c_str(), &found) != 0) return {};
  return {found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_size, found.st_ino};
}

Result<ApiKeys> KeyFile::load() {
  loaded_ = FileStamp::of(file_);
  ApiKeys keys;
  if (!file_.empty()) {
    BATON_TRY(read, ApiKeys::load(file_));
    keys = std::move(read);
  }
  if (!key_.empty()) keys.add(key_);
  return keys;
}

bool KeyFile::changed() const { return !file_.empty() && !(FileStamp::of(file_) == loaded_); }

}  // namespace baton::server
