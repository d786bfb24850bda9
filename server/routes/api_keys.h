// ApiKeys: who may use the server. Only SHA-256 hashes of keys are kept, and compared in constant
// time; with no keys everybody may. Several keys are valid at once, so that one can be replaced.
// Who holds a key is a tenant, called by a part of its hash: tenants share neither caches nor
// turns. Thread safety: const after load.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash/sha256.h"
#include "base/result.h"
#include "server/http/message.h"

namespace baton::server {

class ApiKeys {
 public:
  ApiKeys() = default;
  // One key a line, or "sha256:" and the hash of one in hex; # begins a comment.
  static Result<ApiKeys> load(const std::filesystem::path& file);
  void add(std::string_view key);

  bool none() const { return hashes_.empty(); }
  bool allows(std::string_view key) const;
  // From the value of an Authorization field: "Bearer KEY".
  bool allows_header(std::string_view authorization) const;
  // From the head of a request: Authorization, or x-api-key as clients of Anthropic send it.
  bool allows_request(const http::Fields& fields) const;
  // The tenant; empty if there are no keys, or for a key that is not allowed.
  std::string tenant_of(std::string_view key) const;
  std::string tenant_of_request(const http::Fields& fields) const;

 private:
  std::vector<Sha256Digest> hashes_;
};

}  // namespace baton::server
