// told_exchange: an exchange that adds what each answer carries (the request's id, CORS), counts
// it, and compresses whole answers for who asks for it; streams never. Thread: the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/http/exchange.h"

namespace baton::server {

struct Told {
  http::Fields fields;
  std::string gzip;  // the client's Accept-Encoding
  std::function<void(int status)> answered;
};

std::unique_ptr<http::Exchange> told_exchange(std::unique_ptr<http::Exchange> inner, Told told);

}  // namespace baton::server
