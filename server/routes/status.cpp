#include "server/routes/status.h"

#include "base/system/options.h"
#include "server/routes/pool_json.h"

namespace baton::server {

using Json = nlohmann::ordered_json;

namespace {

// The shortest number that is the same float.
Json shortest(float value) { return std::stod(fmt::format("{}", value)); }

// What holds where a request says nothing: ours, beside what other servers tell of a model.
Json sampling_json(const SamplingParams& sampling) {
  return {{"temperature", shortest(sampling.temperature)},
          {"top_p", shortest(sampling.top_p)},
          {"top_k", sampling.top_k},
          {"min_p", shortest(sampling.min_p)},
          {"repetition_penalty", shortest(sampling.repetition_penalty)}};
}

Json model_json(const api::ModelFacts& model, std::string_view name) {
  return {{"id", name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "baton"},
          {"root", model.root},
          {"parent", nullptr},
          {"max_model_len", model.max_model_len},
          {"default_sampling", sampling_json(model.sampling)}};
}

// Names come from files and peers: what is no UTF-8 must not stop an answer.
std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

http::Response text_response(std::string body, std::string_view type) {
  http::Response response;
  response.fields.push_back({"Content-Type", std::string(type)});
  response.body = std::move(body);
  return response;
}

http::Response json_response(std::string body, int status) {
  http::Response response = text_response(std::move(body), "application/json");
  response.status = status;
  return response;
}

http::Response models_response(const api::ModelFacts& model) {
  Json data = Json::array({model_json(model, model.name)});
  for (const std::string& alias : model.aliases) data.push_back(model_json(model, alias));
  return json_response(dump({{"object", "list"}, {"data", std::move(data)}}));
}

http::Response model_response(const api::ModelFacts& model, std::string_view id) {
  if (!model.is_called(id)) return api::error_response(api::model_not_found(std::string(id)));
  return json_response(dump(model_json(model, id)));
}

http::Response version_response() { return json_response(dump({{"version", kVersion}})); }

http::Response readiness_response(const Readiness& readiness) {
  if (readiness.ready) return json_response(dump({{"status", "ready"}}));
  auto response =
      api::error_response(api::unavailable(readiness.code, readiness.reason, /*retry_after_s=*/1));
  return response;
}

Json kv_json(const InstanceView& instance) {
  const PageCounts& p = instance.load.pages;
  const uint64_t sum = uint64_t{p.free} + p.reserved + p.filling + p.in_use + p.cached;
  Json json = {{"instance", instance.peer.name},
               {"role", to_string(instance.role)},
               {"incarnation", fmt::format("{:016x}", instance.peer.incarnation.value)},
               {"draining", instance.draining},
               {"stale", instance.stale},
               {"running", instance.load.running},
               {"waiting", instance.load.waiting},
               {"page_tokens", instance.manifest.page_tokens},
               {"pages",
                {{"total", p.total},
                 {"free", p.free},
                 {"reserved", p.reserved},
                 {"filling", p.filling},
                 {"in_use", p.in_use},
                 {"cached", p.cached}}},
               {"conserved", sum == p.total},
               {"prefixes", instance.prefixes},
               {"prefixes_stale", instance.prefixes_stale}};
  if (instance.pool) json.update(pool_json(*instance.pool));
  return json;
}

http::Response kv_response(const ClusterView& cluster) {
  Json instances = Json::array();
  for (const auto& instance : cluster.instances) instances.push_back(kv_json(instance));
  return json_response(dump({{"membership", cluster.membership}, {"instances", instances}}));
}

http::Response load_response(size_t running) {
  return json_response(dump({{"server_load", running}}));
}

}  // namespace baton::server
