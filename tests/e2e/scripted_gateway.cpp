// scripted_gateway: the gateway's HTTP side on the text side of a real model, over an engine that
// says what it is told. For tests of clients: a model says few calls of tools and never fails when
// it should.
//
//   scripted_gateway MODEL_DIR
//
// It prints "ready http://HOST:PORT" and serves until standard input ends. A prompt that holds
// "say:TEXT:end" is answered with TEXT; special tokens are spelled in it. "say:A:then:B:end" is
// answered with B once a tool has answered. In front of "say:" may stand [fail N]: the answer fails
// after N tokens; [refuse N]: N such requests are refused as if the cluster were full; [slow]: a
// token comes every 20 ms. Tokens become text as decode makes it; where an answer must have a form,
// a script that leaves it fails.
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <iostream>
#include <map>

#include "base/hash/counter_rng.h"
#include "decode/forms/form_compiler.h"
#include "decode/forms/form_keeper.h"
#include "decode/output_text.h"
#include "server/http/listener.h"
#include "server/loaded_model.h"
#include "server/routes/router.h"

namespace baton::server {
namespace {

namespace asio = boost::asio;

size_t count(std::string_view text, std::string_view what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
  return found;
}

struct Script {
  std::string text;
  std::optional<size_t> fail_after;
  size_t refusals = 0;
  bool slow = false;
};

size_t number_behind(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  return at == text.npos ? 0 : std::strtoul(text.data() + at + name.size(), nullptr, 10);
}

Script script_of(const std::string& prompt) {
  const size_t begin = prompt.rfind("say:");
  if (begin == std::string::npos) return {"Nobody told me what to say.", {}, 0, false};
  const size_t end = std::min(prompt.find(":end", begin), prompt.size());
  std::string_view said = std::string_view(prompt).substr(begin + 4, end - begin - 4);
  for (size_t n = count(prompt.substr(end), "<｜tool▁output▁begin｜>"); n > 0; --n) {
    const size_t then = said.find(":then:");
    if (then != said.npos) said.remove_prefix(then + 6);
  }
  Script script{std::string(said.substr(0, said.find(":then:"))), {}, 0, false};
  const size_t line = std::min(prompt.rfind("[", begin), begin);
  const std::string_view orders = std::string_view(prompt).substr(line, begin - line);
  if (orders.starts_with("[fail ")) script.fail_after = number_behind(orders, "[fail ");
  script.refusals = number_behind(orders, "[refuse ");
  script.slow = orders.starts_with("[slow]");
  return script;
}

class ScriptedEngine final : public Engine {
 public:
  ScriptedEngine(asio::io_context& io, const LoadedModel& model, const text::Tokenizer& tokenizer)
      : io_(io),
        model_(model),
        tokenizer_(tokenizer),
        vocabulary_(decode::form_bytes(tokenizer, model.facts().vocab_size)) {}

  std::unique_ptr<Generation> submit(RequestState request, GenerationEvents events) override;
  Readiness readiness() const override { return {true, {}, {}}; }
  const ClusterView& cluster() const override { return cluster_; }
  void rebalance(Incarnation) override {}

 private:
  struct Run : std::enable_shared_from_this<Run> {
    Run(asio::io_context& io, RequestState asked, GenerationEvents told)
        : request(std::move(asked)), events(std::move(told)), timer(io) {}
    void next();
    void end();
    bool allows(size_t choice, TokenId token);

    RequestState request;
    GenerationEvents events;
    asio::steady_timer timer;
    std::optional<api::ApiError> failure;
    size_t fail_after = std::string::npos;
    Duration pause{};
    std::vector<TokenId> tokens;
    std::vector<decode::OutputText> choices;
    std::vector<decode::FormKeeper> forms;  // of each choice, if there is one to keep to
    size_t said = 0;
    bool over = false;
  };
  struct Handle final : Generation {
    explicit Handle(std::shared_ptr<Run> to) : run(std::move(to)) {}
    ~Handle() override { run->over = true; }
    std::shared_ptr<Run> run;
  };

  asio::io_context& io_;
  const LoadedModel& model_;
  const text::Tokenizer& tokenizer_;
  const constraint::TokenTrie vocabulary_;
  ClusterView cluster_;
  std::map<std::string, size_t> refused_;
};

std::unique_ptr<Generation> ScriptedEngine::submit(RequestState request, GenerationEvents events) {
  auto run = std::make_shared<Run>(io_, std::move(request), std::move(events));
  const std::string prompt = model_.decode(run->request.prompt, false);
  const Script script = script_of(prompt);
  run->tokens = model_.encode(script.text, false).value();
  run->tokens.push_back(tokenizer_.eos().value());
  if (script.slow) run->pause = 20ms;
  if (script.fail_after) {
    run->fail_after = *script.fail_after;
    run->failure = api::unavailable("worker_lost", "The worker was lost.", 1);
  }
  if (refused_[prompt] < script.refusals) {
    ++refused_[prompt];
    run->fail_after = 0;
    run->failure = api::to_api(fail(ErrorCode::resource_exhausted, "The cluster is full."));
  }
  std::shared_ptr<constraint::Language> language;
  const auto& form = run->request.constraint;
  if (form) language = constraint::Language::compile(form->form, form->text, vocabulary_).value();
  for (ChoiceIndex c = 0; c < run->request.choices; ++c) {
    run->choices.emplace_back(tokenizer_, run->request, c,
                              std::vector<TokenId>{tokenizer_.eos().value()});
    if (form) run->forms.emplace_back(*form, language, run->choices.back().stop_tokens(), 0);
  }
  asio::post(io_, [run] { run->next(); });
  return std::make_unique<Handle>(run);
}

bool ScriptedEngine::Run::allows(size_t choice, TokenId token) {
  if (forms.empty()) return true;
  decode::FormKeeper& form = forms[choice];
  form.prepare({});
  const auto mask = form.masks();
  if (!mask.empty() && (mask[token / 64] >> (token % 64) & 1) == 0) return false;
  form.push(token);
  return true;
}

void ScriptedEngine::Run::next() {
  if (over) return;
  if (said >= fail_after) return over = true, events.on_failed(*failure);
  std::vector<TokenEvent> out;
  for (size_t c = 0; c < choices.size(); ++c) {
    auto& choice = choices[c];
    if (choice.finished() || said >= tokens.size()) continue;
    if (!allows(c, tokens[said])) {
      over = true;
      return events.on_failed(api::unavailable("off_form", "The script leaves the form.", 1));
    }
    TokenEvent event = choice.push(tokens[said]);
    event.logprob = -0.25f;
    for (uint32_t i = 0; i < request.report.top_logprobs; ++i) {
      event.top.push_back({i == 0 ? event.token : i, -0.25f - static_cast<float>(i)});
    }
    out.push_back(std::move(event));
  }
  ++said;
  if (!out.empty()) events.on_tokens(out);
  if (over) return;
  const bool done = std::ranges::all_of(choices, [](const auto& c) { return c.finished(); });
  if (done || request.stop.max_tokens == 0) return end();
  timer.expires_after(pause);
  timer.async_wait([self = shared_from_this()](auto error) {
    if (!error) self->next();
  });
}

void ScriptedEngine::Run::end() {
  over = true;
  Timeline timeline;
  timeline.attempts = 1;
  timeline.decode_name = "script";
  events.on_finished(timeline);
}

int serve(const char* folder) {
  asio::io_context io{1};
  ModelOptions options;
  options.directory = folder;
  const auto model = LoadedModel::load(options);
  const auto tokenizer = text::Tokenizer::load(folder);
  if (!model || !tokenizer) {
    std::cerr << (model ? tokenizer.error() : model.error()).message << '\n';
    return 1;
  }
  const SystemClock clock;
  Metrics metrics;
  const ApiKeys keys;
  WorkQueue work(io.get_executor(), 1, 16);
  ServingMetrics serving(metrics, (*model)->facts().name);
  ScriptedEngine engine(io, **model, *tokenizer);
  Router router({io.get_executor(), **model, engine, clock, work, serving, entropy, {}}, keys,
                metrics, Log("scripted_gateway", "", LogLevel::warning), {});
  http::Listener listener(io.get_executor(), {}, clock, router, metrics, Log());
  if (const auto listening = listener.listen("127.0.0.1", 0); !listening) return 1;
  std::cout << "ready http://127.0.0.1:" << listener.port() << std::endl;
  asio::posix::stream_descriptor input(io, ::dup(0));
  char byte = 0;
  std::function<void(boost::system::error_code, size_t)> read = [&](auto error, size_t) {
    if (error) return io.stop();
    asio::async_read(input, asio::buffer(&byte, 1), read);
  };
  asio::async_read(input, asio::buffer(&byte, 1), read);
  io.run();
  return 0;
}

}  // namespace
}  // namespace baton::server

int main(int argc, char** argv) { return argc == 2 ? baton::server::serve(argv[1]) : 2; }
