// The small answers: models, version, readiness, page states, the pointer at "/".
// Thread safety: pure functions.
#pragma once

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

// Every instance with its pages by state, and whether they add up.
http::Response kv_response(const ClusterView& cluster);

http::Response load_response(size_t running);
http::Response root_response(const api::ModelFacts& model);

}  // namespace baton::server
