#include "base/system/mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
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
  // Weights and caches are read whole: in pages of 2 MiB, where the system has them, the processor
  // looks up fewer addresses, and a file comes from its disk in larger pieces. Only advice.
  ::madvise(at, size, MADV_HUGEPAGE);
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

Result<Mapping> Mapping::create_shared(const std::string& label, size_t size) {
  const int fd = ::memfd_create(label.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) {
    return fail(ErrorCode::resource_exhausted, "can't create shared memory {}: {}", label,
                std::strerror(errno));
  }
  Mapping m;  // from here on its destructor closes the descriptor
  m.descriptor_ = fd;
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0 ||
      ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    return fail(ErrorCode::resource_exhausted, "can't size shared memory {} to {} bytes: {}", label,
                size, std::strerror(errno));
  }
  BATON_TRY(data, map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED, label));
  m.data_ = data;
  m.size_ = size;
  m.writable_ = true;
  m.name_ = fmt::format("/proc/{}/fd/{}", ::getpid(), fd);
  return m;
}

Result<Mapping> Mapping::open_shared(const std::string& shared_name, Access access) {
  int pid = 0, fd = 0, end = 0;
  if (std::sscanf(shared_name.c_str(), "/proc/%9d/fd/%9d%n", &pid, &fd, &end) != 2 || pid <= 0 ||
      fd < 0 || static_cast<size_t>(end) != shared_name.size()) {
    return fail(ErrorCode::invalid_argument, "'{}' can't name shared memory", shared_name);
  }
  const bool write = access == Access::write;
  const Descriptor file(::open(shared_name.c_str(), (write ? O_RDWR : O_RDONLY) | O_CLOEXEC));
  if (file.get() < 0) {
    return fail(ErrorCode::not_found, "can't open shared memory {}: {}", shared_name,
                std::strerror(errno));
  }
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return fail(ErrorCode::invalid_argument, "{} is not memory sealed against shrinking",
                shared_name);
  }
  BATON_TRY(size, size_of(file.get(), shared_name));
  const int protection = write ? PROT_READ | PROT_WRITE : PROT_READ;
  BATON_TRY(data, map(file.get(), size, protection, MAP_SHARED, shared_name));
  Mapping m;
  m.data_ = data;
  m.size_ = size;
  m.writable_ = write;
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
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::span<std::byte> Mapping::writable() {
  check(writable_, "a read-only mapping is written");
  return {data_, size_};
}

void Mapping::swap(Mapping& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(name_, other.name_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(writable_, other.writable_);
}

}  // namespace baton
