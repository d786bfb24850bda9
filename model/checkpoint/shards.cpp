#include "model/checkpoint/shards.h"

#include <set>
#include <system_error>

#include "base/hash/sha256.h"
#include "model/checkpoint/strict_json.h"

namespace baton::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexName = "model.safetensors.index.json";
constexpr std::string_view kSingleName = "model.safetensors";
constexpr size_t kIndexBytesMax = 100'000'000;
constexpr size_t kFilesMax = 4096;

// A name in the folder itself, and not a path to elsewhere.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

// Where a shard really lies must be the folder or, in a Hugging Face cache (where
// snapshots/REVISION/ holds links to ../../blobs/), the blobs beside it.
Result<void> check_inside(const fs::path& path, const fs::path& dir) {
  std::error_code error;
  const fs::path folder = fs::canonical(dir, error);
  const fs::path target = fs::canonical(path, error);
  if (error) {
    return fail(ErrorCode::not_found, "{} does not exist; the checkpoint is incomplete.",
                path.string());
  }
  const fs::path above = folder.parent_path();
  const bool in_cache =
      above.filename() == "snapshots" && target.parent_path() == above.parent_path() / "blobs";
  if (target.parent_path() == folder || in_cache) return {};
  return fail(ErrorCode::invalid_argument,
              "{} is a symbolic link out of its folder, to {}; put the file itself there.",
              path.string(), target.string());
}

// The digests of a SHA256SUMS file by file name: lines of 64 hex digits, blanks, a name.
Result<std::map<std::string, std::string>> parse_manifest(std::string_view text,
                                                          std::string_view where) {
  constexpr size_t kDigits = 64;
  std::map<std::string, std::string> digests;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty()) continue;
    const size_t name = line.find_first_not_of(" *", std::min(kDigits, line.size()));
    if (line.find_first_not_of("0123456789abcdef") != kDigits || name == std::string_view::npos) {
      return fail(ErrorCode::corrupt, "{}: line {} is not a SHA-256 digest and a name.", where,
                  number);
    }
    digests[std::string(line.substr(name))] = line.substr(0, kDigits);
  }
  return digests;
}

}  // namespace

Result<ShardIndex> parse_shard_index(std::string_view text, std::string_view where) {
  BATON_TRY(json, parse_strict_json(text, where));
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object() || map->empty()) {
    return fail(ErrorCode::corrupt, "{}: weight_map must be an object that names tensors.", where);
  }
  ShardIndex index;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>())) {
      return fail(ErrorCode::corrupt,
                  "{}: tensor {} must be in a file of the same folder, not in {}.", where, name,
                  file.dump(-1, ' ', true));
    }
    index.file_of.emplace(name, file.get<std::string>());
  }
  const auto metadata = json.find("metadata");
  if (metadata == json.end() || metadata->is_null()) return index;
  if (!metadata->is_object()) {
    return fail(ErrorCode::corrupt, "{}: metadata must be an object.", where);
  }
  const auto total = metadata->find("total_size");
  if (total == metadata->end() || total->is_null()) return index;
  const double bytes = total->is_number() ? total->get<double>() : -1;
  if (bytes < 0 || bytes > 0x1p60) {
    return fail(ErrorCode::corrupt, "{}: total_size must be a number of bytes.", where);
  }
  index.total_bytes = total->get<size_t>();
  return index;
}

Result<ShardSet> ShardSet::open(const fs::path& dir) {
  std::error_code error;
  ShardSet set;
  const fs::path index_path = dir / kIndexName;
  if (!fs::exists(index_path, error)) {
    if (!fs::exists(dir / kSingleName, error)) {
      return fail(ErrorCode::not_found, "{} holds no weights: neither {} nor {} is there.",
                  dir.string(), kIndexName, kSingleName);
    }
    BATON_CHECKED(check_inside(dir / kSingleName, dir));
    BATON_CHECKED(set.add_file(dir / kSingleName));
    return set;
  }
  BATON_TRY(text, read_text_file(index_path, kIndexBytesMax));
  BATON_TRY(index, parse_shard_index(text, index_path.string()));
  std::set<std::string> names;
  for (const auto& [tensor, file] : index.file_of) names.insert(file);
  if (names.size() > kFilesMax) {
    return fail(ErrorCode::invalid_argument, "{} names {} files, over the limit of {}.",
                index_path.string(), names.size(), kFilesMax);
  }
  for (const auto& name : names) {
    BATON_CHECKED(check_inside(dir / name, dir));
    BATON_CHECKED(set.add_file(dir / name));
  }
  BATON_CHECKED(set.check_index(index, dir));
  return set;
}

Result<void> ShardSet::add_file(const fs::path& path) {
  BATON_TRY(file, Safetensors::open(path));
  std::error_code error;
  stamps_.push_back({fs::file_size(path, error), fs::last_write_time(path, error)});
  for (const auto& [name, info] : file.tensors()) {
    // The table's nodes stay where they are when the file object moves.
    const auto [place, fresh] = places_.emplace(name, TensorPlace{files_.size(), &info});
    if (!fresh) {
      return fail(ErrorCode::corrupt, "{}: tensor {} is also in {}.", path.string(), name,
                  files_[place->second.file].path().string());
    }
  }
  files_.push_back(std::move(file));
  return {};
}

Result<void> ShardSet::check_index(const ShardIndex& index, const fs::path& dir) const {
  for (const auto& [name, file] : index.file_of) {
    const auto place = find(name);
    if (!place || path(*place).filename() != file) {
      return fail(ErrorCode::corrupt, "{}: tensor {} is missing, which {} places there.",
                  (dir / file).string(), name, kIndexName);
    }
  }
  if (!index.total_bytes) return {};
  size_t bytes = 0;
  for (const auto& file : files_) bytes += file.data_bytes();
  if (bytes == *index.total_bytes) return {};
  return fail(ErrorCode::corrupt, "{}: total_size is {}, but the files hold {} bytes of tensors.",
              (dir / kIndexName).string(), *index.total_bytes, bytes);
}

std::optional<TensorPlace> ShardSet::find(std::string_view name) const {
  const auto place = places_.find(name);
  if (place == places_.end()) return {};
  return place->second;
}

TensorView ShardSet::view(const TensorPlace& place) const {
  return files_[place.file].view(*place.info);
}

const fs::path& ShardSet::path(const TensorPlace& place) const { return files_[place.file].path(); }

Result<void> ShardSet::check_unchanged() const {
  for (size_t i = 0; i < files_.size(); ++i) {
    std::error_code error;
    const fs::path& path = files_[i].path();
    const Stamp now{fs::file_size(path, error), fs::last_write_time(path, error)};
    if (error || now.size != stamps_[i].size || now.changed != stamps_[i].changed) {
      return fail(ErrorCode::corrupt, "{} was changed while it was in use; start again.",
                  path.string());
    }
  }
  return {};
}

Result<bool> ShardSet::check_manifest(const fs::path& dir) const {
  const fs::path manifest = dir / "SHA256SUMS";
  std::error_code error;
  if (!fs::exists(manifest, error)) return false;
  BATON_TRY(text, read_text_file(manifest, kIndexBytesMax));
  BATON_TRY(digests, parse_manifest(text, manifest.string()));
  for (const auto& file : files_) {
    const auto entry = digests.find(file.path().filename().string());
    if (entry == digests.end()) {
      return fail(ErrorCode::corrupt, "{}: SHA256SUMS does not name it.", file.path().string());
    }
    if (to_hex(sha256(file.bytes())) != entry->second) {
      return fail(ErrorCode::corrupt, "{}: its SHA-256 is not that of SHA256SUMS; copy it again.",
                  file.path().string());
    }
  }
  return true;
}

}  // namespace baton::checkpoint
