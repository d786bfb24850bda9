#include "kvcache/pool_memory.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace baton::kvcache {

namespace {

Result<size_t> bytes_of(const PageFormat& format, uint32_t pages) {
  if (!format.valid()) {
    return fail(ErrorCode::invalid_argument,
                "a latent cache of {} layers with {} bytes a token and layer is not supported",
                format.layers, format.entry_bytes);
  }
  if (pages == 0) {
    return fail(ErrorCode::invalid_argument,
                "the memory for the latent cache is smaller than one page ({} bytes): give it more",
                format.page_bytes());
  }
  if (pages > std::numeric_limits<size_t>::max() / format.page_bytes()) {
    return fail(ErrorCode::invalid_argument, "a latent cache of {} pages is too large", pages);
  }
  return format.page_bytes() * pages;
}

}  // namespace

PoolMemory::PoolMemory(Mapping mapping, PageFormat format, uint32_t pages)
    : mapping_(std::move(mapping)), format_(format), pages_(pages) {}

Result<PoolMemory> PoolMemory::create_private(PageFormat format, uint32_t pages) {
  BATON_TRY(size, bytes_of(format, pages));
  BATON_TRY(mapping, Mapping::anonymous(size));
  return PoolMemory(std::move(mapping), format, pages);
}

Result<PoolMemory> PoolMemory::create_shared(PageFormat format, uint32_t pages,
                                             const std::string& label) {
  BATON_TRY(size, bytes_of(format, pages));
  BATON_TRY(mapping, Mapping::create_shared(label, size));
  return PoolMemory(std::move(mapping), format, pages);
}

Result<PoolMemory> PoolMemory::join_shared(PageFormat format, uint32_t pages,
                                           const std::string& shared_name) {
  BATON_TRY(size, bytes_of(format, pages));
  BATON_TRY(mapping, Mapping::open_shared(shared_name, Mapping::Access::write));
  check(mapping.bytes().size() == size, "the ranks of an instance agree on its pool");
  return PoolMemory(std::move(mapping), format, pages);
}

size_t PoolMemory::offset_of(PageId page, uint32_t layer) const {
  check(page.value < pages_ && layer < format_.layers, "a block outside the pool is named");
  return (size_t{page.value} * format_.layers + layer) * format_.block_bytes();
}

std::span<std::byte> PoolMemory::block(PageId page, uint32_t layer) {
  return mapping_.writable().subspan(offset_of(page, layer), format_.block_bytes());
}

std::span<const std::byte> PoolMemory::block(PageId page, uint32_t layer) const {
  return mapping_.bytes().subspan(offset_of(page, layer), format_.block_bytes());
}

std::span<std::byte> PoolMemory::page(PageId page) {
  return mapping_.writable().subspan(offset_of(page, 0), format_.page_bytes());
}

std::span<const std::byte> PoolMemory::page(PageId page) const {
  return mapping_.bytes().subspan(offset_of(page, 0), format_.page_bytes());
}

void copy_page(PoolMemory& memory, PageId from, PageId to, uint32_t tokens) {
  check(tokens <= kPageTokens, "a page holds 64 tokens");
  const size_t bytes = size_t{tokens} * memory.format().entry_bytes;
  for (uint32_t layer = 0; layer < memory.format().layers; ++layer) {
    const auto source = std::as_const(memory).block(from, layer).first(bytes);
    std::copy(source.begin(), source.end(), memory.block(to, layer).begin());
  }
}

Digest page_digest(const PoolMemory& memory, PageId page, uint32_t tokens) {
  check(tokens <= kPageTokens, "a page holds 64 tokens");
  DigestStream stream;
  for (uint32_t layer = 0; layer < memory.format().layers; ++layer) {
    stream.update(memory.block(page, layer).first(size_t{tokens} * memory.format().entry_bytes));
  }
  return stream.finish();
}

std::vector<Digest> page_digests(const PoolMemory& memory, std::span<const PageId> pages,
                                 uint32_t tokens) {
  std::vector<Digest> out;
  out.reserve(pages.size());
  for (uint32_t i = 0; i < pages.size(); ++i) {
    out.push_back(page_digest(memory, pages[i], tokens_in_page(tokens, i)));
  }
  return out;
}

}  // namespace baton::kvcache
