#include "base/system/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace baton {

namespace {

Error cannot(const char* what, const std::filesystem::path& path, int error) {
  const auto code = error == ENOSPC || error == EDQUOT ? ErrorCode::resource_exhausted
                                                       : ErrorCode::invalid_argument;
  return fail(code, "can't {} {}: {}", what, path.string(), std::strerror(error));
}

}  // namespace

Result<OutputFile> OutputFile::create(const std::filesystem::path& path, size_t bytes) {
  OutputFile file(path, -1);
  file.descriptor_ = ::open(file.part().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file.descriptor_ < 0) return cannot("create", file.part(), errno);
  // Where a file system can't reserve space, a full disk is found when it is written to.
  const int reserved = bytes == 0 ? 0 : ::posix_fallocate(file.descriptor_, 0, off_t(bytes));
  if (reserved == ENOSPC || reserved == EDQUOT || reserved == EFBIG) {
    return fail(ErrorCode::resource_exhausted, "can't reserve {} bytes for {}: {}", bytes,
                path.string(), std::strerror(reserved));
  }
  if (::ftruncate(file.descriptor_, off_t(bytes)) != 0) return cannot("size", file.part(), errno);
  return file;
}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(part().c_str());
}

Result<void> OutputFile::write_at(size_t offset, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t wrote = ::pwrite(descriptor_, data.data(), data.size(), off_t(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return cannot("write", part(), wrote == 0 ? ENOSPC : errno);
    data = data.subspan(static_cast<size_t>(wrote));
    offset += static_cast<size_t>(wrote);
  }
  return {};
}

Result<void> OutputFile::finish() {
  if (::fdatasync(descriptor_) != 0) return cannot("write", part(), errno);
  // What was written in small pieces lies in small pages; read anew it comes in large ones.
  ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
  if (::rename(part().c_str(), path_.c_str()) != 0) return cannot("name", path_, errno);
  ::close(descriptor_);
  descriptor_ = -1;
  return {};
}

Result<DirectoryLock> DirectoryLock::acquire(const std::filesystem::path& folder) {
  DirectoryLock lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.descriptor_ < 0) return cannot("open", folder, errno);
  while (::flock(lock.descriptor_, LOCK_EX) != 0) {
    if (errno != EINTR) return cannot("lock", folder, errno);
  }
  return lock;
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace baton
