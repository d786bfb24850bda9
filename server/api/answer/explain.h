// explain_json: a request's timeline as its client sees it. The parts, in milliseconds, sum to
// first_token_ms. Thread safety: a pure function.
#pragma once

#include <string>

#include "server/relay/timeline.h"

namespace baton::server::api {

std::string explain_json(const Timeline& timeline);

}  // namespace baton::server::api
