#include "server/console/console.h"

#include <algorithm>
#include <string>

namespace baton::server {

namespace {

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

}  // namespace

std::optional<http::Response> console_response(std::string_view name) {
  const auto files = console_files();
  const auto found = std::ranges::find(files, name, &ConsoleFile::name);
  if (found == files.end()) return std::nullopt;
  http::Response response;
  response.fields = {{"Content-Type", std::string(type_of(name))},
                     {"Content-Security-Policy", std::string(kPolicy)},
                     {"X-Content-Type-Options", "nosniff"},
                     {"Referrer-Policy", "no-referrer"},
                     {"Cache-Control", "no-cache"}};
  response.body = found->bytes;
  return response;
}

}  // namespace baton::server
