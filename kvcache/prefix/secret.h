// The secret that keeps tenants' prefixes apart (page_name.h), and the file in which processes that
// are to agree on names share it. Thread safety: pure but for the file and the system's entropy.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace baton::kvcache {

std::string draw_secret();  // 256 unpredictable bits, printable

// Error: invalid_argument if the file can't be read or is empty.
Result<std::string> load_secret(const std::filesystem::path& file);

}  // namespace baton::kvcache
