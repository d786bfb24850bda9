#include "server/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <string_view>

namespace baton::server::http {

namespace {

constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

// What OpenSSL found wrong first, in its words.
std::string why() {
  const unsigned long code = ERR_get_error();  // NOLINT: OpenSSL's own type
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason ? reason : "no reason given";
}

Result<void> check_readable(const std::filesystem::path& file, std::string_view flag) {
  if (::access(file.c_str(), R_OK) == 0) return {};
  return fail(ErrorCode::invalid_argument, "{} can't be read; check {}.", file.string(), flag);
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* in, unsigned in_length, void*) {
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_length, kHttp11, sizeof kHttp11, in, in_length);
  *out = chosen;
  // A client that offers none of ours is told nothing: it may still speak HTTP/1.1.
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

// An encrypted key would ask for a password on the terminal.
int no_password(char*, int, int, void*) { return 0; }

}  // namespace

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::filesystem::path& certificate,
                                                           const std::filesystem::path& key) {
  BATON_CHECKED(check_readable(certificate, "--tls-cert"));
  BATON_CHECKED(check_readable(key, "--tls-key"));
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (!context) return fail(ErrorCode::internal, "TLS can't be set up: {}.", why());
  std::shared_ptr<const TlsContext> loaded(new TlsContext(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return fail(ErrorCode::invalid_argument, "{} holds no certificate in PEM form ({}).",
                certificate.string(), why());
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(ErrorCode::invalid_argument,
                "{} holds no unencrypted private key in PEM form that fits {} ({}).", key.string(),
                certificate.string(), why());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return fail(ErrorCode::invalid_argument, "The key {} does not fit the certificate {} ({}).",
                key.string(), certificate.string(), why());
  }
  return loaded;
}

}  // namespace baton::server::http
