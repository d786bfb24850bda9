// PackedFile: a model's packed weights, mapped read-only and shared by every process of the host.
//
// The file is a header (magic, format, mode and its revision, the checkpoint's fingerprint, the
// digest of each tensor, the digest of the header itself), then the tensors where PackedLayout has
// them. open() refuses, in one sentence, a file that is truncated, damaged in its header, or of
// another model or mode; verify() compares a tensor's bytes with its digest. A rank verifies what
// it owns, with all its threads, before anything is served: that reads the bytes at the speed of
// memory (of the disk, if they are not in the page cache, whence they must come anyway), so nothing
// damaged is ever multiplied. Thread safety: immutable.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "base/hash/digest.h"
#include "base/hash/sha256.h"
#include "base/system/mapping.h"
#include "model/checkpoint/packed/packed_layout.h"

namespace baton::checkpoint {

// What a header says of its file, apart from the digests.
struct PackedIdentity {
  NumericMode mode;
  Sha256Digest fingerprint;  // of the checkpoint
};

class PackedFile {
 public:
  static Result<PackedFile> open(const std::filesystem::path& path, PackedLayout layout,
                                 const PackedIdentity& identity);

  const PackedLayout& layout() const { return layout_; }
  const std::filesystem::path& path() const { return path_; }
  kernels::Panels panels(const PackedTensor& tensor) const;
  Result<void> verify(const PackedTensor& tensor) const;

 private:
  PackedFile(std::filesystem::path path, PackedLayout layout, Mapping mapping,
             std::vector<Digest> digests)
      : path_(std::move(path)),
        layout_(std::move(layout)),
        mapping_(std::move(mapping)),
        digests_(std::move(digests)) {}

  std::filesystem::path path_;
  PackedLayout layout_;
  Mapping mapping_;
  std::vector<Digest> digests_;
};

size_t packed_header_bytes(size_t tensors);
// A header's bytes, layout.header_bytes() of them.
std::vector<std::byte> packed_header(const PackedLayout& layout, const PackedIdentity& identity,
                                     std::span<const Digest> digests);

}  // namespace baton::checkpoint
