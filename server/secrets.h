// Secrets: the files that a gateway reads again while it serves: API keys, and the certificate with
// its key. What can't be read, or doesn't fit, changes nothing: what was good stays good.
// Thread: the I/O thread.
#pragma once

#include <memory>
#include <string>

#include "base/observe/log.h"
#include "server/http/tls.h"
#include "server/routes/key_file.h"

namespace baton::server {

struct SecretFiles {
  std::string api_key;  // one key, given otherwise than by file; may be empty, as all of these
  std::string api_key_file;
  std::string tls_certificate;
  std::string tls_key;
};

class Secrets {
 public:
  static Result<Secrets> load(const SecretFiles& files);

  const ApiKeys& keys() const { return keys_; }                                // stays where it is
  const std::shared_ptr<const http::TlsContext>& tls() const { return tls_; }  // null: none
  bool has_files() const;

  // Reads again what has changed, or all of it; true if tls() is another one now.
  bool reload(bool all, const Log& log);

 private:
  explicit Secrets(const SecretFiles& files);
  Result<void> load_tls();
  bool tls_changed() const;

  SecretFiles files_;
  KeyFile key_file_;
  ApiKeys keys_;
  FileStamp certificate_stamp_, key_stamp_;
  std::shared_ptr<const http::TlsContext> tls_;
};

}  // namespace baton::server
