#include "server/api/error.h"

#include <algorithm>

#include "server/api/json_text.h"

namespace baton::server::api {

ApiError unsupported_parameter(std::string param, std::string why) {
  ApiError error;
  error.code = "unsupported_parameter";
  error.message = fmt::format("The parameter \"{}\" is not supported: {}", param, why);
  error.param = std::move(param);
  return error;
}

ApiError unknown_url(const std::string& method, const std::string& path) {
  ApiError error;
  error.status = 404;
  error.code = "unknown_url";
  error.message = fmt::format("There is nothing at {} {}.", method, path);
  return error;
}

ApiError model_not_found(const std::string& name) {
  ApiError error;
  error.status = 404;
  error.code = "model_not_found";
  error.param = "model";
  error.message =
      fmt::format("The model \"{}\" is not served here; GET /v1/models lists what is.", name);
  return error;
}

ApiError unavailable(std::string code, std::string message, int64_t retry_after_s) {
  ApiError error;
  error.status = 503;
  error.type = "server_error";
  error.code = std::move(code);
  error.message = std::move(message);
  error.retry_after_s = retry_after_s;
  return error;
}

ApiError to_api(const Error& error, Duration retry_after) {
  ApiError out;
  out.message = error.message;
  out.param = error.param;
  const int64_t seconds = std::max<int64_t>(1, (to_ms(retry_after) + 999) / 1000);
  switch (error.code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::corrupt:
      break;
    case ErrorCode::not_found:
      out.status = 404;
      out.code = "not_found";
      break;
    case ErrorCode::unsupported:
      out.code = "unsupported_parameter";
      break;
    case ErrorCode::resource_exhausted:
      out.status = 429;
      out.type = "rate_limit_error";
      out.code = "queue_full";
      out.retry_after_s = seconds;
      break;
    case ErrorCode::unavailable:
      return unavailable("no_capacity", error.message, seconds);
    case ErrorCode::deadline_exceeded:
      out.status = 504;
      out.type = "server_error";
      out.code = "deadline_exceeded";
      break;
    case ErrorCode::cancelled:
    case ErrorCode::internal:
      out.status = 500;
      out.type = "server_error";
      out.code = "internal_error";
      break;
  }
  return out;
}

std::string error_json(const ApiError& error) {
  std::string out = "{\"error\":{\"message\":";
  append_json_string(out, error.message);
  out += ",\"type\":";
  append_json_string(out, error.type);
  out += ",\"param\":";
  if (error.param.empty()) {
    out += "null";
  } else {
    append_json_string(out, error.param);
  }
  out += ",\"code\":";
  if (error.code.empty()) {
    out += "null";
  } else {
    append_json_string(out, error.code);
  }
  out += "}}";
  return out;
}

http::Response error_response(const ApiError& error) {
  http::Response response;
  response.status = error.status;
  response.fields.push_back({"Content-Type", "application/json"});
  if (error.retry_after_s > 0) {
    response.fields.push_back({"Retry-After", std::to_string(error.retry_after_s)});
    response.fields.push_back({"retry-after-ms", std::to_string(error.retry_after_s * 1000)});
  }
  if (error.status == 401) response.fields.push_back({"WWW-Authenticate", "Bearer"});
  response.body = error_json(error);
  return response;
}

}  // namespace baton::server::api
