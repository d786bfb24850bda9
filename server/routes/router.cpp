#include "server/routes/router.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/routes/status.h"

namespace baton::server {

namespace {

constexpr std::string_view kModelPrefix = "/v1/models/";
constexpr size_t kRequestIdBytesMax = 128;

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

// An exchange that adds the request's id, counts the answer and logs it.
class ToldExchange final : public http::Exchange {
 public:
  struct Told {
    std::string id;
    std::string origin;
    std::function<void(int status)> answered;
  };
  ToldExchange(std::unique_ptr<http::Exchange> inner, Told told)
      : inner_(std::move(inner)), told_(std::move(told)) {}

  void on_gone(std::function<void()> gone) override { inner_->on_gone(std::move(gone)); }
  void respond(http::Response response) override {
    add(response);
    inner_->respond(std::move(response));
  }
  void begin(http::Response head, std::string_view comment) override {
    add(head);
    inner_->begin(std::move(head), comment);
  }
  void write(std::string_view data) override { inner_->write(data); }
  void end() override { inner_->end(); }

 private:
  void add(http::Response& response) {
    response.fields.push_back({"X-Request-Id", told_.id});
    if (!told_.origin.empty()) {
      response.fields.push_back({"Access-Control-Allow-Origin", told_.origin});
    }
    told_.answered(response.status);
  }

  std::unique_ptr<http::Exchange> inner_;
  Told told_;
};

}  // namespace

Router::Router(GenerateContext context, ApiKeys keys, Metrics& metrics, Log log,
               RouterOptions options)
    : context_(context),
      keys_(std::move(keys)),
      metrics_(metrics),
      log_(std::move(log)),
      options_(std::move(options)),
      generate_(std::move(context)) {
  const api::ModelFacts& facts = context_.model.facts();
  const auto generate = [this](bool chat) {
    return [this, chat](http::Request request, std::unique_ptr<http::Exchange> exchange) {
      generate_.handle(chat, std::move(request), std::move(exchange));
    };
  };
  for (const std::string prefix : {"/v1", ""}) {  // DeepSeek's base URL has no /v1
    add("POST", prefix + "/chat/completions", generate(true));
    add("POST", prefix + "/completions", generate(false));
    add_get(prefix + "/models", [&facts] { return models_response(facts); });
    add_work(prefix + "/tokenize", api::tokenize);
    add_work(prefix + "/detokenize", api::detokenize);
  }
  add_get("/version", [] { return version_response(); });
  add_get("/", [&facts] { return root_response(facts); });
  add_get("/debug/kv", [this] { return kv_response(context_.engine.cluster()); });
  add_get("/metrics", [this] {
    return text_response(context_.metrics.render(context_.engine.cluster()),
                         "text/plain; version=0.0.4; charset=utf-8");
  });
  const auto alive = [] { return json_response("{\"status\":\"alive\"}"); };
  for (const char* path : {"/livez", "/ping"}) add_get(path, alive, true);
  for (const char* path : {"/health", "/readyz", "/ready", "/v1/health"}) {
    add_get(
        path, [this] { return readiness_response(context_.engine.readiness()); }, true);
  }
}

Router::~Router() = default;

void Router::add(std::string method, std::string path, Answer answer) {
  const bool serves = method == "POST";
  routes_.emplace(std::move(path), Route{std::move(method), false, serves, std::move(answer)});
}

void Router::add_get(std::string path, std::function<http::Response()> answer, bool open) {
  Route route{"GET", open, false, {}};
  route.answer = [answer = std::move(answer)](http::Request,
                                              std::unique_ptr<http::Exchange> exchange) {
    exchange->respond(answer());
  };
  routes_.emplace(std::move(path), std::move(route));
}

// A pure function of the body, on the work queue if the body is big.
void Router::add_work(std::string path,
                      api::ApiResult<std::string> (*work)(std::string_view, const api::TextModel&,
                                                          const api::ApiLimits&)) {
  add("POST", std::move(path),
      [this, work](http::Request request, std::unique_ptr<http::Exchange> exchange) {
        struct Job {
          std::string body;
          http::Response response;
          std::unique_ptr<http::Exchange> exchange;
        };
        auto job = std::make_shared<Job>(Job{std::move(request.body), {}, std::move(exchange)});
        const auto run = [job, work, &model = context_.model, limits = context_.limits.api] {
          auto result = work(job->body, model, limits);
          job->response =
              result ? json_response(*std::move(result)) : api::error_response(result.error());
        };
        if (job->body.size() <= context_.limits.inline_body_bytes_max) {
          run();
          return job->exchange->respond(std::move(job->response));
        }
        const auto done = [job] { job->exchange->respond(std::move(job->response)); };
        if (!context_.work.run(run, done)) {
          job->exchange->respond(api::error_response(api::to_api(fail(
              ErrorCode::resource_exhausted, "Too many large requests wait; try again later."))));
        }
      });
}

const Router::Route* Router::find_route(const http::Request& request) const {
  const auto found = routes_.find(request.path);
  return found == routes_.end() ? nullptr : &found->second;
}

// What every answer carries, for those that are given before there is an exchange.
http::Response Router::dressed(http::Response response, std::string id) {
  metrics_
      .counter("baton_http_refused_total", "Requests refused on their head alone.",
               {{"status", std::to_string(response.status)}})
      .Increment();
  response.fields.push_back({"X-Request-Id", std::move(id)});
  if (!options_.allowed_origin.empty()) {
    response.fields.push_back({"Access-Control-Allow-Origin", options_.allowed_origin});
  }
  return response;
}

http::Response Router::bad_request(int status, std::string_view message) {
  api::ApiError error;
  error.status = status;
  error.code = status == 413 ? "body_too_large" : status == 408 ? "request_timeout" : "bad_request";
  error.message = message;
  return dressed(api::error_response(error), request_id({}, context_.draw));
}

std::optional<http::Response> Router::refuse(const http::Request& head) {
  if (head.method == "OPTIONS") return std::nullopt;  // a preflight carries no key
  const Route* route = find_route(head);
  if (!(route && route->open) && !keys_.allows_header(http::find(head.fields, "authorization"))) {
    context_.metrics.auth_failed();
    api::ApiError error;
    error.status = 401;
    error.code = "invalid_api_key";
    error.message = "The API key is missing or wrong; send it as \"Authorization: Bearer KEY\".";
    return dressed(api::error_response(error), request_id(head, context_.draw));
  }
  const bool one_model = head.path.starts_with(kModelPrefix);
  if (!route && !one_model) {
    return dressed(api::error_response(api::unknown_url(head.method, head.path)),
                   request_id(head, context_.draw));
  }
  const std::string& method = route ? route->method : "GET";
  if (head.method != method && !(head.method == "HEAD" && method == "GET")) {
    api::ApiError error;
    error.status = 405;
    error.code = "method_not_allowed";
    error.message = fmt::format("{} is asked with {}.", head.path, method);
    auto response = api::error_response(error);
    response.fields.push_back({"Allow", method == "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS"});
    return dressed(std::move(response), request_id(head, context_.draw));
  }
  if (route && route->serves && draining_) {
    return dressed(
        api::error_response(api::unavailable("draining", "This server is shutting down.", 5)),
        request_id(head, context_.draw));
  }
  return std::nullopt;
}

void Router::handle(http::Request request, std::unique_ptr<http::Exchange> exchange) {
  const Route* route = find_route(request);
  const std::string known = route ? request.path : std::string(kModelPrefix) + "{id}";
  ToldExchange::Told told;
  told.id = request_id(request, context_.draw);
  told.origin = options_.allowed_origin;
  told.answered = [this, id = told.id, known, method = request.method,
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
  auto answered = std::make_unique<ToldExchange>(std::move(exchange), std::move(told));
  if (request.method == "OPTIONS") {
    http::Response response;
    response.status = 204;
    response.fields = {
        {"Allow", route && route->method == "POST" ? "POST, OPTIONS" : "GET, HEAD, OPTIONS"},
        {"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
        {"Access-Control-Allow-Headers", "authorization, content-type"},
        {"Access-Control-Max-Age", "600"}};
    return answered->respond(std::move(response));
  }
  if (route) return route->answer(std::move(request), std::move(answered));
  answered->respond(model_response(
      context_.model.facts(),
      http::percent_decode(std::string_view(request.path).substr(kModelPrefix.size()))));
}

}  // namespace baton::server
