#include "model/checkpoint/packed/packed_file.h"

#include <algorithm>
#include <cstring>

namespace baton::checkpoint {
namespace {

// All numbers little-endian, as on every processor that Baton runs on.
struct Fixed {
  char magic[8];
  uint32_t format;
  uint32_t mode_revision;
  char mode[24];
  uint8_t fingerprint[32];
  uint64_t file_bytes;
  uint64_t tensors;
};
static_assert(sizeof(Fixed) == 88);

constexpr char kMagic[8] = {'b', 'a', 't', 'o', 'n', 'p', 'k', '\n'};
constexpr uint32_t kFormat = 1;  // of the header and of panels

Fixed fixed_of(const PackedLayout& layout, const PackedIdentity& identity) {
  Fixed fixed{};
  std::memcpy(fixed.magic, kMagic, sizeof kMagic);
  fixed.format = kFormat;
  fixed.mode_revision = identity.mode.revision;
  const std::string_view name = identity.mode.pack_name();
  check(name.size() < sizeof fixed.mode, "a mode's name is short");
  std::memcpy(fixed.mode, name.data(), name.size());
  static_assert(sizeof identity.fingerprint == sizeof fixed.fingerprint);
  std::memcpy(fixed.fingerprint, identity.fingerprint.data(), sizeof fixed.fingerprint);
  fixed.file_bytes = layout.file_bytes();
  fixed.tensors = layout.tensors().size();
  return fixed;
}

}  // namespace

size_t packed_header_bytes(size_t tensors) {
  return sizeof(Fixed) + (tensors + 1) * sizeof(Digest);
}

std::vector<std::byte> packed_header(const PackedLayout& layout, const PackedIdentity& identity,
                                     std::span<const Digest> digests) {
  check(digests.size() == layout.tensors().size(), "each packed tensor has its digest");
  std::vector<std::byte> header(layout.header_bytes());
  const Fixed fixed = fixed_of(layout, identity);
  std::memcpy(header.data(), &fixed, sizeof fixed);
  std::byte* at = header.data() + sizeof fixed;
  for (const Digest& each : digests) {
    std::memcpy(at, &each, sizeof each);
    at += sizeof each;
  }
  const auto own = digest(std::span(header).first(static_cast<size_t>(at - header.data())));
  std::memcpy(at, &own, sizeof own);
  return header;
}

Result<PackedFile> PackedFile::open(const std::filesystem::path& path, PackedLayout layout,
                                    const PackedIdentity& identity) {
  BATON_TRY(mapping, Mapping::open_read(path));
  const auto bytes = mapping.bytes();
  const std::string name = path.string();
  Fixed fixed{};
  if (bytes.size() < sizeof fixed) {
    return fail(ErrorCode::corrupt, "{} is too short for a packed model.", name);
  }
  std::memcpy(&fixed, bytes.data(), sizeof fixed);
  if (std::memcmp(fixed.magic, kMagic, sizeof kMagic) != 0) {
    return fail(ErrorCode::corrupt, "{} is no packed model.", name);
  }
  const Fixed expected = fixed_of(layout, identity);
  if (fixed.format != expected.format || fixed.mode_revision != expected.mode_revision) {
    return fail(ErrorCode::corrupt, "{} was packed by another version of Baton.", name);
  }
  if (std::memcmp(&fixed, &expected, sizeof fixed) != 0) {
    return fail(ErrorCode::corrupt, "{} is packed from another model, or for another mode.", name);
  }
  if (bytes.size() != layout.file_bytes()) {
    return fail(ErrorCode::corrupt, "{} has {} bytes, but its model takes {}.", name, bytes.size(),
                layout.file_bytes());
  }
  const size_t covered = sizeof fixed + layout.tensors().size() * sizeof(Digest);
  Digest own;
  std::memcpy(&own, bytes.data() + covered, sizeof own);
  if (digest(bytes.first(covered)) != own) {
    return fail(ErrorCode::corrupt, "{} is damaged in its header.", name);
  }
  std::vector<Digest> digests(layout.tensors().size());
  for (size_t i = 0; i < digests.size(); ++i) {
    std::memcpy(&digests[i], bytes.data() + sizeof fixed + i * sizeof(Digest), sizeof(Digest));
  }
  return PackedFile(path, std::move(layout), std::move(mapping), std::move(digests));
}

kernels::Panels PackedFile::panels(const PackedTensor& tensor) const {
  return {tensor.shape, mapping_.bytes().data() + tensor.offset};
}

Result<void> PackedFile::verify(const PackedTensor& tensor) const {
  const auto bytes = mapping_.bytes().subspan(tensor.offset, tensor.bytes);
  if (digest(bytes) == digests_[layout_.index_of(tensor)]) return {};
  return fail(ErrorCode::corrupt, "{} is damaged in tensor {}.", path_.string(), tensor.name);
}

}  // namespace baton::checkpoint
