#include "tests/support/source_dir.h"

namespace baton::testing {

std::filesystem::path source_dir() { return BATON_SOURCE_DIR; }

}  // namespace baton::testing
