#include "server/routes/generate_route.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "server/api/answer/answer.h"
#include "server/api/answer/explain.h"
#include "server/routes/request_meter.h"

namespace baton::server {

class GenerateSession : public std::enable_shared_from_this<GenerateSession> {
 public:
  GenerateSession(GenerateRoute& route, api::Dialect dialect, std::string tenant,
                  std::unique_ptr<http::Exchange> exchange)
      : route_(route),
        context_(route.context_),
        exchange_(std::move(exchange)),
        arrived_(context_.clock.now()),
        meter_(context_.metrics, arrived_),
        dialect_(dialect),
        tenant_(std::move(tenant)),
        quiet_(context_.executor) {}

  void start(http::Request request);

 private:
  // What a work thread fills while nobody else looks.
  struct Job {
    std::string body;
    std::optional<api::ApiResult<api::Prepared>> result;
  };

  void prepared(api::ApiResult<api::Prepared> result);
  void submit();
  void submit_one(size_t prompt);
  void arm_quiet_start();
  void begin();
  void on_tokens(size_t prompt, std::span<const TokenEvent> events);
  void on_finished(size_t prompt, const Timeline& timeline);
  void fail(const api::ApiError& why);
  void finish();
  void client_gone();
  void end();
  Duration elapsed() const { return context_.clock.now() - arrived_; }
  http::Fields fields(std::string_view type) const;

  // What each token needs stands together: of thousands of sessions none is in a cache.
  GenerateRoute& route_;
  GenerateContext& context_;
  std::unique_ptr<api::Answer> answer_;
  std::unique_ptr<http::Exchange> exchange_;
  Instant arrived_;
  RequestMeter meter_;
  bool explain_ = false;
  bool streaming_ = false;
  bool begun_ = false;  // the status line is out
  bool ended_ = false;
  api::Dialect dialect_;

  std::string id_;  // of the HTTP request
  std::string tenant_;
  boost::asio::steady_timer quiet_;
  Duration preparing_{};
  size_t open_ = 0;             // prompts that are not finished
  uint64_t cached_tokens_ = 0;  // of the prompts that are finished
  std::string explained_;
  std::vector<std::unique_ptr<Generation>> generations_;
  std::optional<api::Prepared> prepared_;
};

// The same for all whose answers are the same for the same request and seed.
std::string fingerprint(const ClusterView& cluster) {
  const auto decode = std::ranges::find(cluster.instances, Role::decode, &InstanceView::role);
  if (decode == cluster.instances.end()) return {};
  const Manifest& manifest = decode->manifest;
  return fmt::format("fp_{}_{}{}", manifest.model_fingerprint.substr(0, 10), manifest.numeric_mode,
                     manifest.numeric_revision);
}

GenerateRoute::GenerateRoute(GenerateContext context)
    : context_(std::move(context)),
      memory_(std::make_shared<api::ItemMemory>(context_.limits.item_memory_bytes)) {}
GenerateRoute::~GenerateRoute() = default;

void GenerateRoute::handle(api::Dialect dialect, std::string tenant, http::Request request,
                           std::unique_ptr<http::Exchange> exchange) {
  auto session =
      std::make_shared<GenerateSession>(*this, dialect, std::move(tenant), std::move(exchange));
  sessions_.emplace(session.get(), session);
  session->start(std::move(request));
}

void GenerateSession::start(http::Request request) {
  const auto asked = http::find(request.fields, "x-baton-explain");
  explain_ = asked == "1" || asked == "true";
  id_ = std::move(request.id);
  const auto retries = http::find(request.fields, "x-stainless-retry-count");
  if (!retries.empty() && retries != "0") context_.metrics.retried();
  exchange_->on_gone([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->client_gone();
  });
  auto job = std::make_shared<Job>();
  job->body = std::move(request.body);
  const auto work = [job, dialect = dialect_, memory = route_.memory_, tenant = tenant_,
                     &model = context_.model, limits = context_.limits.api] {
    const api::TenantItems items{*memory, tenant};
    job->result = api::prepare_body(dialect, job->body, model, limits, &items);
    job->body.clear();
  };
  if (job->body.size() <= context_.limits.inline_body_bytes_max && !api::may_name_form(job->body)) {
    work();
    return prepared(*std::move(job->result));
  }
  const bool taken = context_.work.run(work, [weak = weak_from_this(), job] {
    if (auto self = weak.lock(); self && !self->ended_) self->prepared(*std::move(job->result));
  });
  if (!taken) {
    fail(api::to_api(baton::fail(ErrorCode::resource_exhausted,
                                 "Too many large requests wait to be read; try again later.")));
  }
}

void GenerateSession::prepared(api::ApiResult<api::Prepared> result) {
  if (!result) return fail(result.error());
  prepared_ = *std::move(result);
  streaming_ = prepared_->request.stream;
  explain_ = explain_ || prepared_->request.explain;
  if (const size_t unknown = prepared_->request.unknown.size(); unknown > 0) {
    context_.metrics.unknown_fields(unknown);
  }
  const uint64_t high = context_.draw();
  // Items of responses are found by ids that nobody can choose.
  const bool may_name = dialect_ == api::Dialect::chat || dialect_ == api::Dialect::text;
  answer_ = api::make_answer(
      *prepared_, context_.model,
      {high, context_.draw(), context_.clock.unix_seconds(), fingerprint(context_.engine.cluster()),
       may_name ? prepared_->request.request_id : std::string()});
  arm_quiet_start();
  submit();
}

void GenerateSession::submit() {
  preparing_ = elapsed();
  open_ = prepared_->states.size();
  for (size_t i = 0; i < prepared_->states.size(); ++i) submit_one(i);
}

void GenerateSession::submit_one(size_t prompt) {
  RequestState& state = prepared_->states[prompt];
  state.tenant = tenant_;
  if (!prepared_->request.seed) state.sampling.seed = context_.draw();
  meter_.asked(state);
  GenerationEvents events;
  const auto weak = weak_from_this();
  events.on_scores = [weak, prompt](const PromptScoreRun& run) {
    if (auto self = weak.lock(); self && !self->ended_) {
      self->meter_.alive(prompt);
      self->answer_->scores(prompt, run);
    }
  };
  events.on_tokens = [weak, prompt](std::span<const TokenEvent> tokens) {
    if (auto self = weak.lock()) self->on_tokens(prompt, tokens);
  };
  events.on_finished = [weak, prompt](const Timeline& timeline) {
    if (auto self = weak.lock()) self->on_finished(prompt, timeline);
  };
  events.on_failed = [weak](const api::ApiError& error) {
    if (auto self = weak.lock()) self->fail(error);
  };
  generations_.push_back(context_.engine.submit(std::move(state), std::move(events)));
}

void GenerateSession::arm_quiet_start() {
  const GenerateLimits& limits = context_.limits;
  quiet_.expires_after(streaming_ ? limits.quiet_start_max : limits.quiet_whole_max);
  quiet_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (error) return;
    if (auto self = weak.lock(); self && !self->ended_) self->begin();
  });
}

http::Fields GenerateSession::fields(std::string_view type) const {
  return {{"Content-Type", std::string(type)},
          {"openai-processing-ms", std::to_string(to_ms(elapsed()))}};
}

// From now on the client reads, and a failure is told in the stream. White space in front of JSON
// is no part of it, so that a whole answer can be waited for too.
void GenerateSession::begin() {
  if (begun_) return;
  begun_ = true;
  quiet_.cancel();
  http::Response head;
  head.fields = fields(streaming_ ? "text/event-stream; charset=utf-8" : "application/json");
  head.fields.push_back({"Cache-Control", "no-cache"});
  head.fields.push_back({"X-Accel-Buffering", "no"});
  exchange_->begin(std::move(head), streaming_ ? ": keep-alive\n\n" : "\n");
  if (!streaming_) exchange_->write("\n");
}

void GenerateSession::on_tokens(size_t prompt, std::span<const TokenEvent> events) {
  if (ended_ || events.empty()) return;
  meter_.tokens(prompt, events, context_.clock.now());
  std::string& out = route_.out_;
  out.clear();
  answer_->tokens(prompt, events, out);
  if (!streaming_) return;
  begin();
  exchange_->write(out);
}

void GenerateSession::on_finished(size_t prompt, const Timeline& timeline) {
  if (ended_) return;
  meter_.finished(prompt, timeline, context_.clock.now());
  cached_tokens_ += timeline.decode.cached_tokens;
  if (explain_) {
    const Duration measured = meter_.first_token(prompt).value_or(elapsed());
    if (!explained_.empty()) explained_ += ',';
    explained_ += api::explain_json(with_preparation(timeline, preparing_, measured));
  }
  if (--open_ == 0) finish();
}

void GenerateSession::finish() {
  // One prompt has one timeline; several have a list.
  if (explain_ && prepared_->states.size() > 1) explained_ = '[' + explained_ + ']';
  std::string out;
  answer_->finish(cached_tokens_, explained_, out);
  if (prepared_->request.store) {
    for (auto& [id, item] : answer_->items()) route_.memory_->put(tenant_, id, std::move(item));
  }
  if (streaming_) begin();
  if (begun_) {
    exchange_->write(out);
    exchange_->end();
  } else {
    http::Response response;
    response.fields = fields("application/json");
    response.body = std::move(out);
    exchange_->respond(std::move(response));
  }
  end();
}

void GenerateSession::fail(const api::ApiError& why) {
  if (ended_) return;
  api::ApiError error = why;
  if (error.status == 500) error.message += fmt::format(" (request {})", id_);
  if (begun_ && streaming_) {
    std::string out;
    answer_->fail(error, out);
    exchange_->write(out);
    exchange_->end();
  } else if (begun_) {
    exchange_.reset();  // an error in the place of an answer would be read as one: cut it off
  } else {
    auto response = api::error_response(error);
    response.body = api::error_json(error, dialect_);
    exchange_->respond(std::move(response));
  }
  meter_.failed(error, context_.clock.now());
  end();
}

void GenerateSession::client_gone() {
  if (ended_) return;
  meter_.left(context_.clock.now());
  end();
}

void GenerateSession::end() {
  ended_ = true;
  quiet_.cancel();
  // We may be inside a callback of what is destroyed here; it goes in a turn of its own.
  boost::asio::post(context_.executor, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->route_.sessions_.erase(self.get());
  });
  generations_.clear();
}

}  // namespace baton::server
