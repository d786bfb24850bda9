// Router: which path is answered by whom, who may ask, and what is said to everybody else.
//
// Paths are matched exactly, on the same parsed path on which keys are decided; every path but
// liveness, readiness and the console's own files needs a key when keys are set. Bodies are JSON,
// told so and not encoded: so no web page can make a browser post here without asking first. Each
// answer carries X-Request-Id (the client's, else drawn) and is counted and logged, without
// contents; whole answers are compressed for who asks for it. Thread: the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/observe/log.h"
#include "server/http/exchange.h"
#include "server/routes/api_keys.h"
#include "server/routes/generate_route.h"

namespace baton::server {

struct RouterOptions {
  std::string allowed_origin;  // for CORS: "*", or origins with commas between; empty: none
  bool access_log = false;
};

class Router final : public http::Handler {
 public:
  // `keys` and `metrics` outlive it; the keys may change.
  Router(GenerateContext context, const ApiKeys& keys, Metrics& metrics, Log log,
         RouterOptions options);
  ~Router() override;

  // From now on new requests are refused with 503; what runs goes on.
  void drain() { draining_ = true; }
  size_t sessions() const { return generate_.sessions(); }

  std::optional<http::Response> refuse(const http::Request& head) override;
  void handle(http::Request request, std::unique_ptr<http::Exchange> exchange) override;
  http::Response bad_request(int status, std::string_view message) override;

 private:
  using Answer = std::function<void(http::Request, std::unique_ptr<http::Exchange>)>;
  using Work = api::ApiResult<std::string> (*)(std::string_view, const api::TextModel&,
                                               const api::ApiLimits&);
  struct Route {
    std::string method;   // GET answers HEAD too
    bool open = false;    // needs no key
    bool serves = false;  // refused while draining
    Answer answer;
    api::Dialect dialect = api::Dialect::chat;  // in which errors are told
  };

  void add(std::string method, std::string path, Answer answer,
           api::Dialect dialect = api::Dialect::chat);
  void add_get(std::string path, std::function<http::Response()> answer, bool open = false);
  void add_generation(api::Dialect dialect, std::initializer_list<const char*> paths);
  void add_work(std::string path, Work work, api::Dialect dialect = api::Dialect::chat);
  void add_facts();
  void add_console();
  const Route* find_route(const http::Request& request) const;
  std::optional<api::ApiError> judge(const http::Request& head, const Route* route);
  std::optional<api::ApiError> judge_media(const http::Request& head) const;
  http::Response refusal(const http::Request& head, const Route* route, const api::ApiError& error);

  GenerateContext context_;
  const ApiKeys& keys_;
  Metrics& metrics_;
  Log log_;
  RouterOptions options_;
  GenerateRoute generate_;
  std::unordered_map<std::string, Route> routes_;
  bool draining_ = false;
};

}  // namespace baton::server
