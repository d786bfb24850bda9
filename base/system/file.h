// OutputFile: a file that is written in any order and appears under its name only when complete;
// DirectoryLock: one process at a time works on the files of a folder.
//
// The file is written under `path` + ".part" and renamed by finish(), so a reader sees the old file
// or all of the new one; without finish() the part is removed. Space is reserved at the start, so a
// full disk is found then. Thread safety: write_at from any thread; the rest from one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/result.h"

namespace baton {

class OutputFile {
 public:
  static Result<OutputFile> create(const std::filesystem::path& path, size_t bytes);

  OutputFile(OutputFile&& other) noexcept { swap(other); }
  OutputFile& operator=(OutputFile&& other) noexcept {
    swap(other);
    return *this;
  }
  ~OutputFile();

  Result<void> write_at(size_t offset, std::span<const std::byte> data);
  Result<void> finish();  // on disk, then renamed

 private:
  OutputFile(std::filesystem::path path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}
  std::filesystem::path part() const { return path_.string() + ".part"; }
  void swap(OutputFile& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
  }

  std::filesystem::path path_;
  int descriptor_ = -1;
};

class DirectoryLock {
 public:
  // Waits for whoever has it. It ends with the object, or with the process.
  static Result<DirectoryLock> acquire(const std::filesystem::path& folder);

  DirectoryLock(DirectoryLock&& other) noexcept { std::swap(descriptor_, other.descriptor_); }
  DirectoryLock& operator=(DirectoryLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_ = -1;
};

}  // namespace baton
