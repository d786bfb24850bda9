// Where the source tree lies, for tests that read data from it.
//
// Its path is compiled into one file alone, so that clones share all other objects of a cache.
#pragma once

#include <filesystem>

namespace baton::testing {

std::filesystem::path source_dir();

}  // namespace baton::testing
