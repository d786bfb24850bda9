// Digest: XXH3-128, the fast fingerprint of sealed pages and of logits in tests. Not secret-proof.
// Thread safety: values.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace baton {

struct Digest {
  uint64_t low = 0;
  uint64_t high = 0;
  friend constexpr auto operator<=>(const Digest&, const Digest&) = default;
};

Digest digest(std::span<const std::byte> data);

// The same over data that comes in pieces.
class DigestStream {
 public:
  DigestStream();
  ~DigestStream();
  DigestStream(const DigestStream&) = delete;
  DigestStream& operator=(const DigestStream&) = delete;
  void update(std::span<const std::byte> data);
  Digest finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace baton
