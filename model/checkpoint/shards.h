// ShardSet: all safetensors files of a model folder, opened and put under one table of names.
//
// With model.safetensors.index.json the index names the files; else there is one
// model.safetensors. Invariants after open: a name is in one file only, and where the index says;
// files lie in the folder itself (a symbolic link may lead only to another name in it, or to the
// blobs of a Hugging Face cache around it); the index's total_size, where given, is the sum of the
// data. Mapped, not read: a page of a file is read when a tensor in it is.
// Thread safety: immutable after open.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"

namespace baton::checkpoint {

// Where a tensor is.
struct TensorPlace {
  size_t file = 0;  // index in ShardSet::files()
  const TensorInfo* info = nullptr;
};

using PlaceTable = std::map<std::string, TensorPlace, std::less<>>;

// The index's weight_map: tensor name to file name; and its total_size.
struct ShardIndex {
  std::map<std::string, std::string, std::less<>> file_of;
  std::optional<size_t> total_bytes;
};

Result<ShardIndex> parse_shard_index(std::string_view text, std::string_view where);

class ShardSet {
 public:
  static Result<ShardSet> open(const std::filesystem::path& dir);

  const std::vector<Safetensors>& files() const { return files_; }
  const PlaceTable& places() const { return places_; }
  std::optional<TensorPlace> find(std::string_view name) const;
  TensorView view(const TensorPlace& place) const;
  // The file's name, for sentences.
  const std::filesystem::path& path(const TensorPlace& place) const;

  // Whether the files are still those that were opened (size and time of change). A file that
  // shrinks while mapped kills the process at the next read, so ask before long work.
  Result<void> check_unchanged() const;

  // Reads every byte of every file and compares it with DIR/SHA256SUMS (as sha256sum writes it),
  // which must name each of them. False if there is no such file.
  Result<bool> check_manifest(const std::filesystem::path& dir) const;

 private:
  struct Stamp {
    uintmax_t size = 0;
    std::filesystem::file_time_type changed;
  };

  Result<void> add_file(const std::filesystem::path& path);
  Result<void> check_index(const ShardIndex& index, const std::filesystem::path& dir) const;

  std::vector<Safetensors> files_;
  std::vector<Stamp> stamps_;
  PlaceTable places_;
};

}  // namespace baton::checkpoint
