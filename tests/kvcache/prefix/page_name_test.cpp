#include "kvcache/prefix/page_name.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

namespace baton::kvcache {
namespace {

std::vector<TokenId> tokens(size_t count, TokenId first = 0) {
  std::vector<TokenId> out(count);
  std::iota(out.begin(), out.end(), first);
  return out;
}

Manifest manifest() {
  Manifest m;
  m.model_fingerprint = "abc";
  m.numeric_mode = "exact";
  m.cache_layers = 3;
  m.cache_entry_bytes = 8;
  return m;
}

TEST(PageName, OnePerFullPageAndOneForTheRest) {
  const PageNamer namer(manifest(), "secret");
  for (const size_t n : {0u, 1u, 63u, 64u, 65u, 127u, 128u, 200u}) {
    const PromptNames names = namer.names("t", tokens(n));
    EXPECT_EQ(names.full.size(), n / 64) << n;
    EXPECT_EQ(names.tail.has_value(), n % 64 != 0) << n;
  }
}

TEST(PageName, EqualPrefixesHaveEqualNamesAndOthersNever) {
  const PageNamer namer(manifest(), "secret");
  const auto long_one = tokens(300);
  const PromptNames all = namer.names("t", long_one);
  EXPECT_EQ(namer.names("t", std::span(long_one).first(128)).full[1], all.full[1]);
  for (size_t changed = 0; changed < 300; changed += 17) {
    auto other = long_one;
    other[changed] += 1;
    const PromptNames names = namer.names("t", other);
    for (size_t page = 0; page < 4; ++page)
      EXPECT_EQ(names.full[page] == all.full[page], changed >= 64 * (page + 1)) << changed;
    EXPECT_NE(names.tail, all.tail);
  }
}

TEST(PageName, DependsOnEverythingThatTheBytesDependOn) {
  const auto prompt = tokens(64);
  std::set<PageName> seen;
  const auto add = [&](const Manifest& m, const std::string& secret, const std::string& tenant) {
    EXPECT_TRUE(seen.insert(PageNamer(m, secret).names(tenant, prompt).full[0]).second);
  };
  add(manifest(), "secret", "");
  add(manifest(), "secret", "t");
  add(manifest(), "secret2", "t");
  Manifest m = manifest();
  m.model_fingerprint = "abd";
  add(m, "secret", "t");
  m = manifest();
  m.numeric_mode = "fast";
  add(m, "secret", "t");
  m = manifest();
  m.numeric_revision = 2;
  add(m, "secret", "t");
  m = manifest();
  m.cache_layers = 4;
  add(m, "secret", "t");
  m = manifest();
  m.cache_entry_bytes = 4;
  add(m, "secret", "t");
}

TEST(PageName, APartialPageIsNotTheFullOneThatBeginsTheSame) {
  const PageName root = PageNamer(manifest(), "s").root("t");
  std::set<PageName> seen;
  for (size_t n = 1; n <= 64; ++n) EXPECT_TRUE(seen.insert(page_name(root, tokens(n, 1))).second);
  // Zeros at the end are tokens too.
  const std::vector<TokenId> zeros(64, 0);
  for (size_t n = 1; n <= 64; ++n)
    EXPECT_TRUE(seen.insert(page_name(root, std::span(zeros).first(n))).second);
}

TEST(PageName, IsTheSameOnEveryMachine) {
  // Written down once: a change of it would be a change of every name that a peer or a disk keeps.
  const PageNamer namer(manifest(), "secret");
  const PromptNames names = namer.names("tenant", tokens(70, 1000));
  EXPECT_EQ(to_hex(names.full[0].bytes),
            "8ff363474def99d32a6b08f9f65a23ae411bf0310c9ce6e85f8fb60cebb25495");
  EXPECT_EQ(to_hex(names.tail->bytes),
            "5ee5225f8dbc2fa42d23f0f1c610350400960136aaafa092dcee2be0c12ccd9b");
}

TEST(PageName, TenantsAndSaltsAreNeverTakenForOneAnother) {
  std::set<std::string> seen;
  for (const char* tenant : {"", "a", "ab", "1:"}) {
    for (const char* salt : {"", "a", "b", "1:a"}) {
      EXPECT_TRUE(seen.insert(cache_tenant(tenant, salt)).second) << tenant << ' ' << salt;
    }
  }
}

}  // namespace
}  // namespace baton::kvcache
