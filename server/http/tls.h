// TLS: a certificate and its key, as a server holds them, checked when they are read.
//
// TLS 1.2 and 1.3, no renegotiation, no compression; of protocols only HTTP/1.1 is agreed on. A
// context never changes: other files make another context, for the connections that come after.
// Thread safety: const after load.
#pragma once

#include <filesystem>
#include <memory>

#include "base/result.h"

struct ssl_ctx_st;

namespace baton::server::http {

class TlsContext {
 public:
  // PEM files: the certificate with the chain behind it, and its key, not encrypted. The error
  // says which file is at fault, and how.
  static Result<std::shared_ptr<const TlsContext>> load(const std::filesystem::path& certificate,
                                                        const std::filesystem::path& key);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  ssl_ctx_st* get() const { return context_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
};

}  // namespace baton::server::http
