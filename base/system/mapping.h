// Mapping: memory that a file, or a named shared-memory object, stands behind; unmapped at the end.
//
// open_read maps a file read-only. create_shared makes /dev/shm/NAME of `size` zero bytes and maps
// it for writing; its owner removes the name at the end. open_shared maps another process's object
// read-only. anonymous is private memory. Thread safety: the mapping itself never changes.
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
  static Result<Mapping> create_shared(const std::string& name, size_t size);
  static Result<Mapping> open_shared(const std::string& name);
  static Result<Mapping> anonymous(size_t size);

  Mapping() = default;
  Mapping(Mapping&& other) noexcept { swap(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Mapping();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::span<std::byte> writable();  // checked: only of create_shared and anonymous
  const std::string& shared_name() const { return name_; }

 private:
  void swap(Mapping& other) noexcept;

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::string name_;  // of a shared object
  bool owner_ = false;
  bool writable_ = false;
};

}  // namespace baton
