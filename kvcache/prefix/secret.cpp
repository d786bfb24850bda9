#include "kvcache/prefix/secret.h"

#include <fstream>
#include <iterator>

#include "base/hash/counter_rng.h"

namespace baton::kvcache {

std::string draw_secret() {
  std::string secret;
  for (int i = 0; i < 4; ++i) secret += fmt::format("{:016x}", entropy());
  return secret;
}

Result<std::string> load_secret(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string secret{std::istreambuf_iterator<char>(stream), {}};
  if (!secret.empty()) return secret;
  return fail(ErrorCode::invalid_argument, "the file {} can't be read or holds no secret",
              file.string());
}

}  // namespace baton::kvcache
