// Where the large reference data of some tests lie, if they are there at all.
//
// A clone has no such data; tests that use them skip. BATON_SHARED names the folder, else it is
// looked for beside the source tree.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/source_dir.h"

namespace baton::testing {

// The folder or file `name` of the reference data, or an empty path.
inline std::filesystem::path shared_data(const std::string& name) {
  const char* set = std::getenv("BATON_SHARED");
  const std::filesystem::path root =
      set ? std::filesystem::path(set) : source_dir().parent_path() / "shared";
  const auto path = root / name;
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

}  // namespace baton::testing

// Skips the test with a sentence where the reference data are absent.
#define BATON_NEED_SHARED(variable, name)                                     \
  const std::filesystem::path variable = ::baton::testing::shared_data(name); \
  if (variable.empty()) GTEST_SKIP() << "reference data " << name << " absent"
