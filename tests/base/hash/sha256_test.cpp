#include "base/hash/sha256.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// FIPS 180-4 examples.
TEST(Sha256, AgreesWithThePublishedExamples) {
  EXPECT_EQ(to_hex(sha256(bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(bytes(""))),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, PiecesGiveTheSameAsTheWhole) {
  EXPECT_EQ(Sha256().update("ab").update("").update("c").finish(), sha256(bytes("abc")));
}

// RFC 4231, test case 2.
TEST(HmacSha256, AgreesWithThePublishedExample) {
  EXPECT_EQ(to_hex(hmac_sha256(bytes("Jefe"), bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

}  // namespace
}  // namespace baton
