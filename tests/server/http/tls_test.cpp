#include "server/http/tls.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/server/support/certificate.h"

namespace baton::server::http {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::SelfMade;

std::string refused(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  const auto loaded = TlsContext::load(certificate, key);
  return loaded ? "" : loaded.error().message;
}

TEST(Tls, a_certificate_and_its_key_are_taken) {
  const SelfMade made;
  const auto loaded = TlsContext::load(made.certificate(), made.key());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_NE((*loaded)->get(), nullptr);
}

TEST(Tls, errors_name_the_file_and_what_is_wrong_with_it) {
  const SelfMade made, other;
  EXPECT_THAT(refused("/nowhere.pem", made.key()),
              AllOf(HasSubstr("/nowhere.pem"), HasSubstr("--tls-cert")));
  EXPECT_THAT(refused(made.certificate(), "/nowhere.pem"), HasSubstr("--tls-key"));
  testing::TemporaryFolder folder;
  const auto text = folder / "text.pem";
  std::ofstream(text) << "no PEM\n";
  EXPECT_THAT(refused(text, made.key()), AllOf(HasSubstr("text.pem"), HasSubstr("no certificate")));
  EXPECT_THAT(refused(made.certificate(), text), HasSubstr("private key"));
  EXPECT_THAT(refused(made.certificate(), made.certificate()), HasSubstr("private key"));
  EXPECT_THAT(refused(made.certificate(), made.encrypted_key()), HasSubstr("unencrypted"));
  EXPECT_THAT(refused(made.certificate(), other.key()), HasSubstr("fit"));
}

}  // namespace
}  // namespace baton::server::http
