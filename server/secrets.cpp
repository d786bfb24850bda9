#include "server/secrets.h"

#include <nlohmann/json.hpp>

namespace baton::server {

Secrets::Secrets(const SecretFiles& files)
    : files_(files), key_file_(files.api_key_file, files.api_key) {}

Result<Secrets> Secrets::load(const SecretFiles& files) {
  if (files.tls_certificate.empty() != files.tls_key.empty()) {
    return fail(ErrorCode::invalid_argument,
                "TLS needs both a certificate and its key: --tls-cert and --tls-key.");
  }
  Secrets secrets(files);
  BATON_TRY(keys, secrets.key_file_.load());
  secrets.keys_ = std::move(keys);
  if (!files.tls_certificate.empty()) BATON_CHECKED(secrets.load_tls());
  return secrets;
}

Result<void> Secrets::load_tls() {
  certificate_stamp_ = FileStamp::of(files_.tls_certificate);
  key_stamp_ = FileStamp::of(files_.tls_key);
  BATON_TRY(tls, http::TlsContext::load(files_.tls_certificate, files_.tls_key));
  tls_ = std::move(tls);
  return {};
}

bool Secrets::has_files() const {
  return !files_.api_key_file.empty() || !files_.tls_certificate.empty();
}

bool Secrets::tls_changed() const {
  return !(FileStamp::of(files_.tls_certificate) == certificate_stamp_ &&
           FileStamp::of(files_.tls_key) == key_stamp_);
}

bool Secrets::reload(bool all, const Log& log) {
  if (!files_.api_key_file.empty() && (all || key_file_.changed())) {
    if (auto keys = key_file_.load()) {
      keys_ = *std::move(keys);
      log.info("api_keys", {{"file", files_.api_key_file}});
    } else {
      log.error("api_keys", {{"why", keys.error().message}});
    }
  }
  if (files_.tls_certificate.empty() || !(all || tls_changed())) return false;
  if (const auto loaded = load_tls(); !loaded) {
    log.error("certificate", {{"why", loaded.error().message}});
    return false;
  }
  log.info("certificate", {{"file", files_.tls_certificate}});
  return true;
}

}  // namespace baton::server
