#include "base/system/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace baton {

namespace {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<size_t> size_of(int fd, const std::string& name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    return fail(ErrorCode::not_found, "{} is not a regular file", name);
  }
  return static_cast<size_t>(info.st_size);
}

Result<std::byte*> map(int fd, size_t size, int protection, int flags, const std::string& name) {
  if (size == 0) return nullptr;
  void* at = ::mmap(nullptr, size, protection, flags, fd, 0);
  if (at == MAP_FAILED) {
    return fail(ErrorCode::resource_exhausted, "can't map {} ({} bytes): {}", name, size,
                std::strerror(errno));
  }
  return static_cast<std::byte*>(at);
}

}  // namespace

Result<Mapping> Mapping::open_read(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    return fail(ErrorCode::not_found, "can't open {}: {}", path.string(), std::strerror(errno));
  }
  BATON_TRY(size, size_of(file.get(), path.string()));
  BATON_TRY(data, map(file.get(), size, PROT_READ, MAP_SHARED, path.string()));
  Mapping m;
  m.data_ = data;
  m.size_ = size;
  return m;
}

Result<Mapping> Mapping::create_shared(const std::string& name, size_t size) {
  const Descriptor file(
      ::shm_open(("/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) {
    return fail(ErrorCode::resource_exhausted, "can't create shared memory {}: {}", name,
                std::strerror(errno));
  }
  Mapping m;  // from here on its destructor removes the name
  m.name_ = name;
  m.owner_ = true;
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0) {
    return fail(ErrorCode::resource_exhausted, "can't size shared memory {} to {} bytes: {}", name,
                size, std::strerror(errno));
  }
  BATON_TRY(data, map(file.get(), size, PROT_READ | PROT_WRITE, MAP_SHARED, name));
  m.data_ = data;
  m.size_ = size;
  m.writable_ = true;
  return m;
}

Result<Mapping> Mapping::open_shared(const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos) {
    return fail(ErrorCode::invalid_argument, "'{}' can't name shared memory", name);
  }
  const Descriptor file(::shm_open(("/" + name).c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (file.get() < 0) {
    return fail(ErrorCode::not_found, "can't open shared memory {}: {}", name,
                std::strerror(errno));
  }
  BATON_TRY(size, size_of(file.get(), name));
  BATON_TRY(data, map(file.get(), size, PROT_READ, MAP_SHARED, name));
  Mapping m;
  m.data_ = data;
  m.size_ = size;
  m.name_ = name;
  return m;
}

Result<Mapping> Mapping::anonymous(size_t size) {
  BATON_TRY(data, map(-1, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                      "anonymous memory"));
  Mapping m;
  m.data_ = data;
  m.size_ = size;
  m.writable_ = true;
  return m;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
  if (owner_) ::shm_unlink(("/" + name_).c_str());
}

std::span<std::byte> Mapping::writable() {
  check(writable_, "a read-only mapping is written");
  return {data_, size_};
}

void Mapping::swap(Mapping& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(name_, other.name_);
  std::swap(owner_, other.owner_);
  std::swap(writable_, other.writable_);
}

}  // namespace baton
