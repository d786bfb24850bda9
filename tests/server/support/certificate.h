// SelfMade: a certificate for localhost with its key, as PEM files in a temporary folder.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "tests/support/temporary_folder.h"

namespace baton::testing {

class SelfMade {
 public:
  explicit SelfMade(const char* name = "localhost") : key_(EVP_EC_gen("P-256")), x509_(X509_new()) {
    X509_set_version(x509_.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509_.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509_.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509_.get()), 3600);
    X509_set_pubkey(x509_.get(), key_.get());
    X509_NAME* subject = X509_get_subject_name(x509_.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_issuer_name(x509_.get(), subject);
    X509_sign(x509_.get(), key_.get(), EVP_sha256());
    write(certificate(), [this](FILE* out) { PEM_write_X509(out, x509_.get()); });
    write(key(), [this](FILE* out) {
      PEM_write_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }

  std::filesystem::path certificate() const { return folder_ / "cert.pem"; }
  std::filesystem::path key() const { return folder_ / "key.pem"; }
  // The same key, behind a password.
  std::filesystem::path encrypted_key() const {
    const auto path = folder_ / "encrypted.pem";
    write(path, [this](FILE* out) {
      unsigned char password[] = "secret";
      PEM_write_PrivateKey(out, key_.get(), EVP_aes_256_cbc(), password, 6, nullptr, nullptr);
    });
    return path;
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* x509) const { X509_free(x509); }
  };
  template <class Write>
  static void write(const std::filesystem::path& path, Write write) {
    FILE* out = std::fopen(path.c_str(), "w");
    write(out);
    std::fclose(out);
  }

  TemporaryFolder folder_;
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<X509, Free> x509_;
};

}  // namespace baton::testing
