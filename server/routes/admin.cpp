#include "server/routes/admin.h"

#include <nlohmann/json.hpp>

#include "server/api/error.h"
#include "server/routes/status.h"

namespace baton::server {

using Json = nlohmann::ordered_json;

namespace {

http::Response refusal(int status, std::string code, std::string message) {
  api::ApiError error;
  error.status = status;
  error.code = std::move(code);
  error.message = std::move(message);
  error.param = "instance";
  return api::error_response(error);
}

}  // namespace

http::Response rebalance_response(std::string_view body, Engine& engine) {
  std::string name;
  if (!body.empty()) {
    const Json asked = Json::parse(body, nullptr, false);
    const bool whole =
        asked.is_object() && asked.size() <= 1 &&
        (asked.empty() || (asked.contains("instance") && asked["instance"].is_string()));
    if (!whole) {
      return refusal(
          400, "invalid_request",
          "The body must be empty or {\"instance\": NAME}, a name that /debug/kv shows.");
    }
    if (!asked.empty()) name = asked["instance"].get<std::string>();
  }
  Json told = Json::array();
  for (const InstanceView& instance : engine.cluster().instances) {
    if (instance.role == Role::kvstore || instance.stale ||
        (!name.empty() && instance.peer.name != name))
      continue;
    engine.rebalance(instance.peer.incarnation);
    told.push_back(instance.peer.name);
  }
  if (told.empty()) {
    return refusal(404, "instance_not_found",
                   name.empty() ? "No instance is alive."
                                : "No instance has this name; /debug/kv shows them all.");
  }
  return json_response(Json{{"instances", told}}.dump(), 202);
}

}  // namespace baton::server
