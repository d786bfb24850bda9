// The small answers: models, version, readiness, page states.
// Thread safety: pure functions.
#pragma once

#include <nlohmann/json.hpp>

#include "proto/cluster.h"
#include "server/api/text_model.h"
#include "server/engine.h"
#include "server/http/message.h"

namespace baton::server {

http::Response json_response(std::string body, int status = 200);
http::Response text_response(std::string body, std::string_view type);

http::Response models_response(const api::ModelFacts& model);
http::Response model_response(const api::ModelFacts& model, std::string_view id);  // or 404
http::Response version_response();
http::Response readiness_response(const Readiness& readiness);

// An instance with its pages by state, and whether they add up; all of them.
nlohmann::ordered_json kv_json(const InstanceView& instance);
http::Response kv_response(const ClusterView& cluster);

http::Response load_response(size_t running);

}  // namespace baton::server
