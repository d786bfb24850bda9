#include "server/routes/cross_origin.h"

#include <algorithm>

namespace baton::server {

namespace {

constexpr size_t kHeaderNamesMax = 1024;

bool lists(std::string_view list, std::string_view origin) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (item == origin) return true;
  }
  return false;
}

// Names of fields and commas, and nothing that could begin another field.
bool are_names(std::string_view text) {
  return !text.empty() && text.size() <= kHeaderNamesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == ',' || c == ' ';
  });
}

}  // namespace

http::Fields cross_origin_fields(const http::Request& request, std::string_view allowed) {
  if (allowed.empty()) return {};
  http::Fields fields;
  if (allowed == "*") {
    fields.push_back({"Access-Control-Allow-Origin", "*"});
  } else {
    const auto origin = http::find(request.fields, "origin");
    fields.push_back({"Vary", "Origin"});
    if (origin.empty() || !lists(allowed, origin)) return fields;
    fields.push_back({"Access-Control-Allow-Origin", std::string(origin)});
  }
  fields.push_back({"Access-Control-Expose-Headers",
                    "X-Request-Id, Retry-After, retry-after-ms, openai-processing-ms"});
  return fields;
}

http::Response options_response(const http::Request& request, std::string_view method) {
  http::Response response;
  response.status = 204;
  const bool post = method == "POST";
  response.fields = {{"Allow", method.empty() ? "GET, HEAD, POST, OPTIONS"
                               : post         ? "POST, OPTIONS"
                                              : "GET, HEAD, OPTIONS"},
                     {"Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS"},
                     {"Access-Control-Max-Age", "600"}};
  const auto wanted = http::find(request.fields, "access-control-request-headers");
  response.fields.push_back(
      {"Access-Control-Allow-Headers",
       are_names(wanted) ? std::string(wanted) : "authorization, content-type, x-api-key"});
  return response;
}

}  // namespace baton::server
