// CORS: what browsers are told of who may read answers. Thread safety: pure functions.
#pragma once

#include <string_view>

#include "server/http/message.h"

namespace baton::server {

// The fields that each answer to this request has. `allowed`: "*", or origins with commas between;
// empty: none.
http::Fields cross_origin_fields(const http::Request& request, std::string_view allowed);

// The answer to OPTIONS, a preflight or not. `method`: of the path, empty for one that isn't there.
http::Response options_response(const http::Request& request, std::string_view method);

}  // namespace baton::server
