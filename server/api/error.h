// ApiError: what a client is told when its request can't be answered, in OpenAI's shape.
//
// Statuses, types and codes are those of OpenAI and vLLM; a client's mistake is always 400, because
// clients retry other 4xx as if they were passing trouble. 429 and 503 say when to try again.
// Thread safety: values.
#pragma once

#include <fmt/format.h>

#include <boost/system/result.hpp>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "server/http/message.h"

namespace baton::server::api {

struct ApiError {
  int status = 400;
  std::string type = "invalid_request_error";
  std::string code = "invalid_value";
  std::string param;  // empty: null
  std::string message;
  int64_t retry_after_s = 0;  // set with 429 and 503
};

template <class T>
using ApiResult = boost::system::result<T, ApiError>;

[[noreturn]] inline void throw_exception_from_error(const ApiError& error,
                                                    const boost::source_location&) {
  throw std::logic_error(error.message);
}

template <class... Args>
ApiError bad_value(std::string param, fmt::format_string<Args...> text, Args&&... args) {
  ApiError error;
  error.param = std::move(param);
  error.message = fmt::format(text, std::forward<Args>(args)...);
  return error;
}

ApiError unsupported_parameter(std::string param, std::string why);
ApiError unknown_url(const std::string& method, const std::string& path);
ApiError model_not_found(const std::string& name);
ApiError unavailable(std::string code, std::string message, int64_t retry_after_s);

// What an error of the cluster or of the model's own code means to a client.
ApiError to_api(const Error& error, Duration retry_after = 1s);

// {"error":{"message","type","param","code"}}
std::string error_json(const ApiError& error);
http::Response error_response(const ApiError& error);

}  // namespace baton::server::api
