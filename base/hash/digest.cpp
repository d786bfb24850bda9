#include "base/hash/digest.h"

#include <xxhash.h>
#if defined(BATON_XXHASH_DISPATCHES)
#include <xxh_x86dispatch.h>  // the same values, with the widest vectors of this processor
#endif

namespace baton {

struct DigestStream::State {
  XXH3_state_t* xxh = XXH3_createState();
  ~State() { XXH3_freeState(xxh); }
};

Digest digest(std::span<const std::byte> data) {
  const XXH128_hash_t h = XXH3_128bits(data.data(), data.size());
  return {h.low64, h.high64};
}

DigestStream::DigestStream() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(state_->xxh);
}
DigestStream::~DigestStream() = default;

void DigestStream::update(std::span<const std::byte> data) {
  XXH3_128bits_update(state_->xxh, data.data(), data.size());
}

Digest DigestStream::finish() const {
  const XXH128_hash_t h = XXH3_128bits_digest(state_->xxh);
  return {h.low64, h.high64};
}

}  // namespace baton
