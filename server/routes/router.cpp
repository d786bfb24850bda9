#include "server/routes/router.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/api/answer/answer.h"
#include "server/api/prompt/tokenize.h"
#include "server/console/cluster_status.h"
#include "server/console/console.h"
#include "server/routes/admin.h"
#include "server/routes/cross_origin.h"
#include "server/routes/status.h"
#include "server/routes/told_exchange.h"

namespace baton::server {

namespace {

// Behind these a path names one model.
constexpr std::string_view kModelPrefixes[] = {"/v1/models/", "/models/", "/beta/models/"};
constexpr size_t kRequestIdBytesMax = 128;

std::optional<std::string_view> model_named(std::string_view path) {
  for (const auto prefix : kModelPrefixes) {
    if (path.starts_with(prefix)) return path.substr(prefix.size());
  }
  return std::nullopt;
}

// The client's name for its request, if it is one that can go into a header and a log.
std::string request_id(const http::Request& request, const std::function<uint64_t()>& draw) {
  const auto given = http::find(request.fields, "x-request-id");
  const auto plain = [](char c) { return c > ' ' && c < 0x7F; };
  if (!given.empty() && given.size() <= kRequestIdBytesMax &&
      std::all_of(given.begin(), given.end(), plain)) {
    return std::string(given);
  }
  return fmt::format("req-{:016x}", draw());
}

api::ApiError refused(int status, std::string code, std::string message) {
  api::ApiError error;
  error.status = status;
  error.code = std::move(code);
  error.message = std::move(message);
  return error;
}

bool is_json(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  if (http::equals_ignoring_case(type, "application/json")) return true;
  return type.size() > 5 && http::equals_ignoring_case(type.substr(type.size() - 5), "+json");
}

}  // namespace

Router::Router(GenerateContext context, const ApiKeys& keys, Metrics& metrics, Log log,
               RouterOptions options)
    : context_(context),
      keys_(keys),
      metrics_(metrics),
      log_(std::move(log)),
      options_(std::move(options)),
      generate_(std::move(context)) {
  // DeepSeek's base URLs have no /v1, or /beta, or /anthropic.
  add_generation(api::Dialect::chat,
                 {"/v1/chat/completions", "/chat/completions", "/beta/chat/completions"});
  add_generation(api::Dialect::text, {"/v1/completions", "/completions", "/beta/completions"});
  add_generation(api::Dialect::responses, {"/v1/responses", "/responses"});
  add_generation(api::Dialect::messages, {"/v1/messages", "/messages", "/anthropic/v1/messages"});
  for (const std::string prefix : {"", "/anthropic"}) {
    add_work(prefix + "/v1/messages/count_tokens", api::count_tokens, api::Dialect::messages);
  }
  for (const std::string prefix : {"/v1", ""}) {
    add_work(prefix + "/tokenize", api::tokenize);
    add_work(prefix + "/detokenize", api::detokenize);
  }
  add_facts();
}

Router::~Router() = default;

void Router::add_facts() {
  const api::ModelFacts& facts = context_.model.facts();
  for (const char* path : {"/v1/models", "/models", "/beta/models"}) {
    add_get(path, [&facts] { return models_response(facts); });
  }
  add_get("/version", [] { return version_response(); });
  add("POST", "/admin/rebalance",
      [this](http::Request request, std::unique_ptr<http::Exchange> exchange) {
        exchange->respond(rebalance_response(request.body, context_.engine));
      });
  add_get("/load", [this] { return load_response(sessions()); });
  add_get("/debug/kv", [this] { return kv_response(context_.engine.cluster()); });
  add_get("/debug/cluster", [this] {
    return cluster_response(context_.engine.cluster(), metrics_.snapshot(), sessions());
  });
  add_get("/metrics", [this] {
    return text_response(context_.metrics.render(context_.engine.cluster()),
                         "text/plain; version=0.0.4; charset=utf-8");
  });
  add_console();
  const auto alive = [] { return json_response("{\"status\":\"alive\"}"); };
  for (const char* path : {"/livez", "/ping"}) add_get(path, alive, true);
  for (const char* path : {"/health", "/readyz", "/ready", "/v1/health"}) {
    add_get(
        path, [this] { return readiness_response(context_.engine.readiness()); }, true);
  }
}

// The page is open; its data need the key. "/" is its index.
void Router::add_console() {
  for (const ConsoleFile& file : console_files()) {
    const bool index = file.name == "index.html";
    add_get(
        index ? "/" : fmt::format("/console/{}", file.name),
        [&file] { return console_response(file.name).value(); }, true);
  }
}

void Router::add(std::string method, std::string path, Answer answer, api::Dialect dialect) {
  const bool serves = method == "POST";
  routes_.emplace(std::move(path),
                  Route{std::move(method), false, serves, std::move(answer), dialect});
}

void Router::add_generation(api::Dialect dialect, std::initializer_list<const char*> paths) {
  for (const char* path : paths) {
    add(
        "POST", path,
        [this, dialect](http::Request request, std::unique_ptr<http::Exchange> exchange) {
          std::string tenant = keys_.tenant_of_request(request.fields);
          generate_.handle(dialect, std::move(tenant), std::move(request), std::move(exchange));
        },
        dialect);
  }
}

void Router::add_get(std::string path, std::function<http::Response()> answer, bool open) {
  add("GET", path,
      [answer = std::move(answer)](http::Request, std::unique_ptr<http::Exchange> exchange) {
        exchange->respond(answer());
      });
  routes_.at(path).open = open;
}

// A pure function of the body, on the work queue if the body is big.
void Router::add_work(std::string path, Work work, api::Dialect dialect) {
  struct Job {
    std::string body;
    http::Response response;
    std::unique_ptr<http::Exchange> exchange;
  };
  const auto told = [dialect](const api::ApiError& error) {
    auto response = api::error_response(error);
    response.body = api::error_json(error, dialect);
    return response;
  };
  add(
      "POST", std::move(path),
      [this, work, told](http::Request request, std::unique_ptr<http::Exchange> exchange) {
        auto job = std::make_shared<Job>(Job{std::move(request.body), {}, std::move(exchange)});
        const auto run = [job, work, told, &model = context_.model, limits = context_.limits.api] {
          auto result = work(job->body, model, limits);
          job->response = result ? json_response(*std::move(result)) : told(result.error());
        };
        if (job->body.size() <= context_.limits.inline_body_bytes_max) {
          run();
          return job->exchange->respond(std::move(job->response));
        }
        const auto done = [job] { job->exchange->respond(std::move(job->response)); };
        if (!context_.work.run(run, done)) {
          job->exchange->respond(told(api::to_api(fail(
              ErrorCode::resource_exhausted, "Too many large requests wait; try again later."))));
        }
      },
      dialect);
}

const Router::Route* Router::find_route(const http::Request& request) const {
  const auto found = routes_.find(request.path);
  return found == routes_.end() ? nullptr : &found->second;
}

// What every answer carries, for one that is given before there is an exchange.
http::Response Router::refusal(const http::Request& head, const Route* route,
                               const api::ApiError& error) {
  metrics_
      .counter("baton_http_refused_total", "Requests refused on their head alone.",
               {{"status", std::to_string(error.status)}})
      .Increment();
  auto response = api::error_response(error);
  if (route) response.body = api::error_json(error, route->dialect);
  if (error.status == 405) {
    const bool get = !route || route->method == "GET";
    response.fields.push_back({"Allow", get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS"});
  }
  response.fields.push_back({"X-Request-Id", request_id(head, context_.draw)});
  for (auto& field : cross_origin_fields(head, options_.allowed_origin)) {
    response.fields.push_back(std::move(field));
  }
  return response;
}

http::Response Router::bad_request(int status, std::string_view message) {
  if (status == 503) {
    return refusal({}, nullptr, api::unavailable("too_many_connections", std::string(message), 1));
  }
  const char* code = status == 413   ? "body_too_large"
                     : status == 408 ? "request_timeout"
                                     : "bad_request";
  return refusal({}, nullptr, refused(status, code, std::string(message)));
}

std::optional<api::ApiError> Router::judge_media(const http::Request& head) const {
  const auto encoding = http::find(head.fields, "content-encoding");
  if (!encoding.empty() && !http::equals_ignoring_case(encoding, "identity")) {
    return refused(400, "invalid_value",
                   "Content-Encoding is not supported; send the body as it is.");
  }
  const auto type = http::find(head.fields, "content-type");
  // A browser may post without a type to any server, but then says where it comes from.
  const bool told = !type.empty() || !http::find(head.fields, "origin").empty();
  if (told && !is_json(type)) {
    return refused(400, "invalid_value",
                   "The body must be JSON; send \"Content-Type: application/json\".");
  }
  return std::nullopt;
}

std::optional<api::ApiError> Router::judge(const http::Request& head, const Route* route) {
  if (!(route && route->open) && !keys_.allows_request(head.fields)) {
    context_.metrics.auth_failed();
    return refused(401, "invalid_api_key",
                   "The API key is missing or wrong; send it as \"Authorization: Bearer KEY\".");
  }
  if (!route && !model_named(head.path)) return api::unknown_url(head.method, head.path);
  const std::string_view method = route ? std::string_view(route->method) : "GET";
  if (head.method != method && !(head.method == "HEAD" && method == "GET")) {
    return refused(405, "method_not_allowed",
                   fmt::format("{} is asked with {}.", head.path, method));
  }
  if (method == "POST") {
    if (auto bad = judge_media(head)) return bad;
  }
  if (route && route->serves && draining_) {
    context_.metrics.rejected("draining");
    return api::unavailable("draining", "This server is shutting down.", 5);
  }
  return std::nullopt;
}

std::optional<http::Response> Router::refuse(const http::Request& head) {
  if (head.method == "OPTIONS") return std::nullopt;  // a preflight carries no key
  const Route* route = find_route(head);
  const auto error = judge(head, route);
  if (!error) return std::nullopt;
  return refusal(head, route, *error);
}

void Router::handle(http::Request request, std::unique_ptr<http::Exchange> exchange) {
  const Route* route = find_route(request);
  // Paths that are no route are one in the metrics: a label must not grow with what clients ask.
  const std::string known = route                       ? request.path
                            : model_named(request.path) ? "/v1/models/{id}"
                                                        : "other";
  Told told;
  told.fields = cross_origin_fields(request, options_.allowed_origin);
  request.id = request_id(request, context_.draw);
  told.fields.push_back({"X-Request-Id", request.id});
  told.gzip = http::find(request.fields, "accept-encoding");
  told.answered = [this, id = request.id, known, method = request.method,
                   began = context_.clock.now()](int status) {
    metrics_
        .counter("baton_http_requests_total", "Answered requests.",
                 {{"path", known}, {"status", std::to_string(status)}})
        .Increment();
    if (!options_.access_log) return;
    log_.info("http", {{"request_id", id},
                       {"method", method},
                       {"path", known},
                       {"status", status},
                       {"ms", to_ms(context_.clock.now() - began)}});
  };
  auto answered = told_exchange(std::move(exchange), std::move(told));
  if (request.method == "OPTIONS") {
    return answered->respond(options_response(request, route ? route->method : ""));
  }
  if (route) return route->answer(std::move(request), std::move(answered));
  answered->respond(
      model_response(context_.model.facts(), http::percent_decode(*model_named(request.path))));
}

}  // namespace baton::server
