// What an operator asks of running instances. Each function answers at once; what it set going is
// seen in the metrics. Thread: the I/O thread.
#pragma once

#include <string_view>

#include "server/engine.h"
#include "server/http/message.h"

namespace baton::server {

// POST /admin/rebalance, with {"instance": NAME} or an empty body for all: the experts are placed
// anew by the load seen so far. 202 with the names of the instances that were told, or 404.
http::Response rebalance_response(std::string_view body, Engine& engine);

}  // namespace baton::server
