#include "server/routes/generate_route.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>

#include "server/api/answer.h"
#include "server/api/explain.h"
#include "server/api/json_text.h"

namespace baton::server {

class GenerateSession : public std::enable_shared_from_this<GenerateSession> {
 public:
  GenerateSession(GenerateRoute& route, bool chat, std::unique_ptr<http::Exchange> exchange)
      : route_(route),
        context_(route.context_),
        chat_(chat),
        exchange_(std::move(exchange)),
        quiet_(context_.executor),
        arrived_(context_.clock.now()) {}

  void start(http::Request request);

 private:
  // What a work thread fills while nobody else looks.
  struct Job {
    std::string body;
    std::optional<api::ApiResult<api::Prepared>> result;
  };

  void prepared(api::ApiResult<api::Prepared> result);
  void submit();
  void arm_quiet_start();
  void begin_stream();
  void on_tokens(size_t prompt, std::span<const TokenEvent> events);
  void on_finished(const Timeline& timeline);
  void fail(const api::ApiError& error);
  void finish();
  void client_gone();
  void end(const std::string& reason);
  Duration elapsed() const { return context_.clock.now() - arrived_; }
  http::Fields fields(std::string_view type) const;

  GenerateRoute& route_;
  GenerateContext& context_;
  bool chat_;
  std::unique_ptr<http::Exchange> exchange_;
  boost::asio::steady_timer quiet_;
  Instant arrived_;
  Instant last_token_{};
  bool explain_ = false;
  bool streaming_ = false;
  bool begun_ = false;
  bool ended_ = false;
  size_t open_ = 0;  // prompts that are not finished
  std::string finished_reason_ = "stop";
  api::Totals totals_;
  std::string explained_;
  std::vector<std::unique_ptr<Generation>> generations_;
  std::optional<api::Prepared> prepared_;
  std::optional<api::WholeAnswer> whole_;
  std::optional<api::StreamAnswer> stream_;
};

GenerateRoute::GenerateRoute(GenerateContext context) : context_(std::move(context)) {}
GenerateRoute::~GenerateRoute() = default;

void GenerateRoute::handle(bool chat, http::Request request,
                           std::unique_ptr<http::Exchange> exchange) {
  auto session = std::make_shared<GenerateSession>(*this, chat, std::move(exchange));
  sessions_.emplace(session.get(), session);
  session->start(std::move(request));
}

void GenerateSession::start(http::Request request) {
  const auto asked = http::find(request.fields, "x-baton-explain");
  explain_ = asked == "1" || asked == "true";
  exchange_->on_gone([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->client_gone();
  });
  auto job = std::make_shared<Job>();
  job->body = std::move(request.body);
  const auto work = [job, chat = chat_, &model = context_.model, limits = context_.limits.api] {
    job->result = chat ? api::prepare_chat(job->body, model, limits)
                       : api::prepare_completion(job->body, model, limits);
    job->body.clear();
  };
  if (job->body.size() <= context_.limits.inline_body_bytes_max) {
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
  std::string id = fmt::format("{}-{:016x}{:016x}", chat_ ? "chatcmpl" : "cmpl", context_.draw(),
                               context_.draw());
  auto shape = api::AnswerShape::of(*prepared_, context_.model.facts(), std::move(id),
                                    context_.clock.unix_seconds());
  if (streaming_) {
    stream_.emplace(std::move(shape), *prepared_, context_.model);
    arm_quiet_start();
  } else {
    whole_.emplace(std::move(shape), *prepared_, context_.model);
  }
  submit();
}

void GenerateSession::submit() {
  open_ = prepared_->states.size();
  for (size_t i = 0; i < prepared_->states.size(); ++i) {
    RequestState& state = prepared_->states[i];
    if (!prepared_->request.seed) state.sampling.seed = context_.draw();
    totals_.prompt_tokens += state.prompt.size();
    context_.metrics.begun(state.prompt.size(), state.choices, state.stop.max_tokens);
    GenerationEvents events;
    const auto weak = weak_from_this();
    events.on_tokens = [weak, i](std::span<const TokenEvent> tokens) {
      if (auto self = weak.lock()) self->on_tokens(i, tokens);
    };
    events.on_finished = [weak](const Timeline& timeline) {
      if (auto self = weak.lock()) self->on_finished(timeline);
    };
    events.on_failed = [weak](const api::ApiError& error) {
      if (auto self = weak.lock()) self->fail(error);
    };
    generations_.push_back(context_.engine.submit(std::move(state), std::move(events)));
  }
}

void GenerateSession::arm_quiet_start() {
  quiet_.expires_after(context_.limits.quiet_start_max);
  quiet_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    if (error) return;
    if (auto self = weak.lock(); self && !self->ended_) self->begin_stream();
  });
}

http::Fields GenerateSession::fields(std::string_view type) const {
  return {{"Content-Type", std::string(type)},
          {"openai-processing-ms", std::to_string(to_ms(elapsed()))}};
}

void GenerateSession::begin_stream() {
  if (begun_) return;
  begun_ = true;
  quiet_.cancel();
  http::Response head;
  head.fields = fields("text/event-stream; charset=utf-8");
  head.fields.push_back({"Cache-Control", "no-cache"});
  head.fields.push_back({"X-Accel-Buffering", "no"});
  exchange_->begin(std::move(head), ": keep-alive\n\n");
}

void GenerateSession::on_tokens(size_t prompt, std::span<const TokenEvent> events) {
  if (ended_ || events.empty()) return;
  const Instant now = context_.clock.now();
  if (totals_.completion_tokens == 0) {
    context_.metrics.first_token(now - arrived_);
  } else {
    // Tokens that come together are a step's: the gap is shared among them.
    const Duration gap = (now - last_token_) / static_cast<int64_t>(events.size());
    for (size_t i = 0; i < events.size(); ++i) context_.metrics.token_gap(gap);
  }
  last_token_ = now;
  totals_.completion_tokens += events.size();
  for (const auto& event : events) {
    if (event.finish == FinishReason::length) finished_reason_ = "length";
  }
  if (whole_) return whole_->tokens(prompt, events);
  begin_stream();
  std::string out;
  stream_->tokens(prompt, events, out);
  exchange_->write(out);
}

void GenerateSession::on_finished(const Timeline& timeline) {
  if (ended_) return;
  context_.metrics.finished(timeline, elapsed());
  if (explain_) {
    if (!explained_.empty()) explained_ += ',';
    explained_ += api::explain_json(timeline);
  }
  if (--open_ == 0) finish();
}

void GenerateSession::finish() {
  // One prompt has one timeline; several have a list.
  if (explain_ && prepared_->states.size() > 1) explained_ = '[' + explained_ + ']';
  if (whole_) {
    http::Response response;
    response.fields = fields("application/json");
    response.body = whole_->finish(totals_, explained_);
    exchange_->respond(std::move(response));
  } else {
    begin_stream();
    std::string out;
    stream_->finish(totals_, explained_, out);
    exchange_->write(out);
    exchange_->end();
  }
  end(finished_reason_);
}

void GenerateSession::fail(const api::ApiError& error) {
  if (ended_) return;
  if (begun_) {
    std::string out;
    api::StreamAnswer::fail(error, out);
    exchange_->write(out);
    exchange_->end();
  } else {
    exchange_->respond(api::error_response(error));
  }
  end("error");
}

void GenerateSession::client_gone() {
  if (!ended_) end("abort");
}

void GenerateSession::end(const std::string& reason) {
  ended_ = true;
  quiet_.cancel();
  if (prepared_) context_.metrics.ended(reason, elapsed(), totals_.completion_tokens);
  // We may be inside a callback of what is destroyed here; it goes in a turn of its own.
  boost::asio::post(context_.executor, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->route_.sessions_.erase(self.get());
  });
  generations_.clear();
}

}  // namespace baton::server
