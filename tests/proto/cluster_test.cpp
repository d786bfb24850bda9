#include "proto/cluster.h"

#include <gmock/gmock.h>

namespace baton {
namespace {

using ::testing::HasSubstr;

TEST(Mismatch, equal_manifests_have_none) {
  EXPECT_EQ(mismatch(Manifest{}, Manifest{}), std::nullopt);
}

TEST(Mismatch, every_field_is_compared_and_named) {
  const auto expect_named = [](const char* name, auto change) {
    Manifest other;
    // A new member stops the compilation here: compare it in mismatch() and add its case below.
    auto& [fingerprint, mode, revision, layers, entry, page, wire] = other;
    change(fingerprint, mode, revision, layers, entry, page, wire);
    const auto found = mismatch(Manifest{}, other);
    ASSERT_TRUE(found.has_value()) << name;
    EXPECT_THAT(*found, HasSubstr(name));
  };
  expect_named("model_fingerprint", [](auto& f, auto&...) { f = "x"; });
  expect_named("numeric_mode", [](auto&, auto& f, auto&...) { f = "x"; });
  expect_named("numeric_revision", [](auto&, auto&, auto& f, auto&...) { f = 99; });
  expect_named("cache_layers", [](auto&, auto&, auto&, auto& f, auto&...) { f = 99; });
  expect_named("cache_entry_bytes", [](auto&, auto&, auto&, auto&, auto& f, auto&...) { f = 99; });
  expect_named("page_tokens", [](auto&, auto&, auto&, auto&, auto&, auto& f, auto&) { f = 99; });
  expect_named("wire_version", [](auto&, auto&, auto&, auto&, auto&, auto&, auto& f) { f = 99; });
}

TEST(Mismatch, the_wire_version_is_named_first) {
  Manifest other;
  other.model_fingerprint = "x";
  other.wire_version = 99;
  EXPECT_THAT(mismatch(Manifest{}, other).value(), HasSubstr("wire_version"));
}

}  // namespace
}  // namespace baton
