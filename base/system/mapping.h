// Mapping: memory that a file, or a named shared-memory object, stands behind; unmapped at the end.
//
// open_read maps a file read-only. create_shared makes `size` zero bytes that other processes of
// the same user can map by shared_name(): strangers read-only, parts of one instance to write too;
// the memory has no name in any file system
// (memfd), so nothing is left behind however its owner dies, and it is sealed against shrinking, so
// that a reader can't be hit by SIGBUS. anonymous is private memory. Thread safety: never changes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "base/result.h"

namespace baton {

class Mapping {
 public:
  static Result<Mapping> open_read(const std::filesystem::path& path);
  static Result<Mapping> create_shared(const std::string& label, size_t size);
  enum class Access { read, write };
  static Result<Mapping> open_shared(const std::string& shared_name, Access access = Access::read);
  static Result<Mapping> anonymous(size_t size);

  Mapping() = default;
  Mapping(Mapping&& other) noexcept { swap(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Mapping();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::span<std::byte> writable();  // checked: not of what was opened to read
  const std::string& shared_name() const { return name_; }  // empty: not shared by this process

 private:
  void swap(Mapping& other) noexcept;

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::string name_;     // /proc/PID/fd/N of the shared memory's descriptor
  int descriptor_ = -1;  // kept open by the owner, so that the name stays valid
  bool writable_ = false;
};

}  // namespace baton
