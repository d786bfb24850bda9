#include "server/secrets.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/server/support/certificate.h"

namespace baton::server {
namespace {

using ::testing::HasSubstr;
using testing::SelfMade;

TEST(Secrets, there_may_be_none) {
  auto secrets = Secrets::load({});
  ASSERT_TRUE(secrets);
  EXPECT_TRUE(secrets->keys().none());
  EXPECT_EQ(secrets->tls(), nullptr);
  EXPECT_FALSE(secrets->has_files());
  EXPECT_FALSE(secrets->reload(true, Log()));
}

TEST(Secrets, a_certificate_needs_its_key) {
  const SelfMade made;
  SecretFiles files;
  files.tls_certificate = made.certificate();
  EXPECT_THAT(Secrets::load(files).error().message, HasSubstr("--tls-key"));
  files.tls_key = made.key();
  EXPECT_TRUE(Secrets::load(files));
  files.tls_key = "/nowhere";
  EXPECT_FALSE(Secrets::load(files));
}

TEST(Secrets, what_has_changed_is_read_again_and_what_is_bad_changes_nothing) {
  const SelfMade made, other;
  testing::TemporaryFolder folder;
  SecretFiles files{"", folder / "keys", folder / "cert.pem", folder / "key.pem"};
  std::ofstream(files.api_key_file) << "first\n";
  const auto place = [&](const SelfMade& from) {
    const auto over = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy(from.certificate(), files.tls_certificate, over);
    std::filesystem::copy(from.key(), files.tls_key, over);
  };
  place(made);
  auto secrets = Secrets::load(files).value();
  const auto before = secrets.tls();
  EXPECT_FALSE(secrets.reload(false, Log())) << "nothing has changed";
  EXPECT_EQ(secrets.tls(), before);
  EXPECT_TRUE(secrets.reload(true, Log())) << "asked for";

  place(other);
  std::ofstream(files.api_key_file) << "another key\n";
  secrets.reload(false, Log());
  secrets.reload(true, Log());
  EXPECT_NE(secrets.tls(), before);
  EXPECT_TRUE(secrets.keys().allows("another key"));
  EXPECT_FALSE(secrets.keys().allows("first"));

  const auto good = secrets.tls();
  std::ofstream(files.tls_key) << "broken";
  std::ofstream(files.api_key_file) << "# none\n";
  EXPECT_FALSE(secrets.reload(true, Log("test", "", LogLevel::error)));
  EXPECT_EQ(secrets.tls(), good);
  EXPECT_TRUE(secrets.keys().allows("another key"));
}

}  // namespace
}  // namespace baton::server
