#include "server/routes/api_keys.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

namespace baton::server {
namespace {

TEST(ApiKeys, without_keys_everybody_may) {
  const ApiKeys keys;
  EXPECT_TRUE(keys.none());
  EXPECT_TRUE(keys.allows_header(""));
}

TEST(ApiKeys, only_a_bearer_of_a_key_may) {
  ApiKeys keys;
  keys.add("one");
  keys.add("two");
  EXPECT_TRUE(keys.allows_header("Bearer one"));
  EXPECT_TRUE(keys.allows_header("bearer  two "));
  for (const char* header : {"", "one", "Bearer", "Bearer ", "Bearer on", "Bearer onee",
                             "Basic one", "Bearer one two"}) {
    EXPECT_FALSE(keys.allows_header(header)) << header;
  }
}

TEST(ApiKeys, a_file_has_keys_hashes_and_comments) {
  const testing::TemporaryFolder folder;
  const auto path = folder.path() / "keys";
  // The hash is that of "abc".
  std::ofstream(path)
      << "# who may\n\n  plain  \r\n"
         "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";
  const auto keys = ApiKeys::load(path);
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_TRUE(keys->allows("plain"));
  EXPECT_TRUE(keys->allows("abc"));
  EXPECT_FALSE(keys->allows("# who may"));
}

TEST(ApiKeys, an_editors_mark_is_no_part_of_the_first_key) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "keys") << "\xEF\xBB\xBFplain\n";
  const auto keys = ApiKeys::load(folder.path() / "keys");
  ASSERT_TRUE(keys) << keys.error().message;
  EXPECT_TRUE(keys->allows("plain"));
}

TEST(ApiKeys, a_file_without_keys_or_with_a_broken_hash_is_refused) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "empty") << "# nothing\n";
  std::ofstream(folder.path() / "broken") << "k\nsha256:12\n";
  EXPECT_FALSE(ApiKeys::load(folder.path() / "absent"));
  EXPECT_FALSE(ApiKeys::load(folder.path() / "empty"));
  EXPECT_NE(ApiKeys::load(folder.path() / "broken").error().message.find("Line 2"),
            std::string::npos);
}

TEST(ApiKeys, each_key_is_a_tenant_of_its_own) {
  ApiKeys keys;
  EXPECT_EQ(keys.tenant_of("anything"), "");
  keys.add("one");
  keys.add("two");
  EXPECT_EQ(keys.tenant_of("one").size(), 16u);
  EXPECT_NE(keys.tenant_of("one"), keys.tenant_of("two"));
  EXPECT_EQ(keys.tenant_of("three"), "");
  EXPECT_EQ(keys.tenant_of_request({{"authorization", "Bearer two"}}), keys.tenant_of("two"));
  EXPECT_EQ(keys.tenant_of_request({{"x-api-key", "two"}}), keys.tenant_of("two"));
}

TEST(ApiKeys, a_request_may_carry_its_key_in_the_fields_that_clients_use) {
  ApiKeys keys;
  EXPECT_TRUE(keys.allows_request({}));
  keys.add("k");
  EXPECT_FALSE(keys.allows_request({}));
  EXPECT_TRUE(keys.allows_request({{"authorization", "Bearer k"}}));
  EXPECT_TRUE(keys.allows_request({{"x-api-key", "k"}}));
  EXPECT_TRUE(keys.allows_request({{"api-key", " k "}}));
  EXPECT_FALSE(keys.allows_request({{"authorization", "Bearer x"}, {"x-api-key", "k"}}));
}

}  // namespace
}  // namespace baton::server
