#include "server/routes/key_file.h"

#include <sys/stat.h>

namespace baton::server {

KeyFile::KeyFile(std::filesystem::path file, std::string key)
    : file_(std::move(file)), key_(std::move(key)) {}

KeyFile::Stamp KeyFile::stamp() const {
  struct stat found {};
  if (file_.empty() || ::stat(file_.c_str(), &found) != 0) return {};
  return {found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_size, found.st_ino};
}

Result<ApiKeys> KeyFile::load() {
  loaded_ = stamp();
  ApiKeys keys;
  if (!file_.empty()) {
    BATON_TRY(read, ApiKeys::load(file_));
    keys = std::move(read);
  }
  if (!key_.empty()) keys.add(key_);
  return keys;
}

bool KeyFile::changed() const { return !file_.empty() && !(stamp() == loaded_); }

}  // namespace baton::server
