#include "bench/serve/load.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "server/client/event_reader.h"

namespace baton::bench {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using server::client::Outcome;

// Every letter, many words and the signs of ordinary text.
constexpr const char* kText =
    "The quick brown fox jumps over the lazy dog while seven wizards, at 12:30 on Monday, mix "
    "3.5 litres of water with 40 grams of salt; then they write down: what is the capital of "
    "France? Sort 9 4 7 1, spell \"house\", reverse \"stone\", count the letters of banana, and "
    "say which month comes after March. KEEP calm & carry on (page 68, line 20)!";

std::string body_of(const Arrival& arrival, const LoadOptions& options,
                    const std::vector<uint32_t>& vocabulary) {
  json body = {{"prompt", prompt_of(arrival, vocabulary)},
               {"max_tokens", arrival.output_tokens},
               {"ignore_eos", true},
               {"temperature", options.temperature},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}}};
  if (!options.model.empty()) body["model"] = options.model;
  return body.dump();
}

std::string sentence_of(int status, const std::string& body) {
  const json answer = json::parse(body, nullptr, false);
  if (answer.is_object() && answer.contains("error") && answer["error"].is_object()) {
    return fmt::format("{}: {}", status, answer["error"].value("message", body));
  }
  return fmt::format("{}: {}", status, body.substr(0, 200));
}

// One request: its stream, its deadline, its sample.
class Call {
 public:
  Call(asio::io_context& io, const server::client::Server& server, const Clock& clock,
       Instant start, Sample& sample)
      : stream_(io.get_executor(), server),
        deadline_(io),
        clock_(clock),
        start_(start),
        sample_(sample) {}

  void begin(std::string body, const LoadOptions& options, std::function<void()> on_end) {
    sample_.sent = clock_.now() - start_;
    deadline_.expires_after(options.timeout);
    deadline_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      sample_.error = "no end within the time limit";
      stream_.stop();
    });
    stream_.post(
        {"/v1/completions", std::move(body), options.api_key},
        [this](int status, std::string_view piece) { hear(status, piece); },
        [this, done = std::move(on_end)](const Result<Outcome>& outcome) {
          end(outcome);
          done();
        });
  }

 private:
  void hear(int status, std::string_view piece) {
    if (status != 200) {
      failure_ += piece;
      return;
    }
    for (const auto& data : events_.feed(piece)) event(data);
  }

  void event(const std::string& data) {
    if (data == "[DONE]") {
      done_ = true;
      return;
    }
    const json event = json::parse(data, nullptr, false);
    if (!event.is_object()) return;
    if (const auto error = event.find("error"); error != event.end() && error->is_object()) {
      sample_.error = error->value("message", "the stream failed");
      return;
    }
    if (const auto usage = event.find("usage"); usage != event.end() && usage->is_object()) {
      sample_.prompt_tokens = usage->value("prompt_tokens", uint64_t{0});
      sample_.output_tokens = usage->value("completion_tokens", uint64_t{0});
      if (const auto details = usage->find("prompt_tokens_details");
          details != usage->end() && details->is_object()) {
        sample_.cached_tokens = details->value("cached_tokens", uint64_t{0});
      }
    }
    if (const auto choices = event.find("choices");
        choices != event.end() && choices->is_array() && !choices->empty()) {
      token();
    }
  }

  // Every event with a choice brings tokens, be their text still held back.
  void token() {
    const Duration now = clock_.now() - start_;
    if (heard_) {
      sample_.gaps.push_back(now - sample_.last);
    } else {
      sample_.first = now;
    }
    heard_ = true;
    sample_.last = now;
  }

  void end(const Result<Outcome>& outcome) {
    deadline_.cancel();
    sample_.ended = clock_.now() - start_;
    if (!sample_.error.empty()) return;
    if (!outcome) {
      sample_.error = outcome.error().message;
    } else if (outcome->status != 200) {
      sample_.error = sentence_of(outcome->status, failure_);
    } else if (!done_ || !outcome->complete || !heard_) {
      sample_.error = "the stream was cut off";
    }
  }

  server::client::HttpStream stream_;
  asio::steady_timer deadline_;
  const Clock& clock_;
  Instant start_;
  Sample& sample_;
  server::client::EventReader events_;
  std::string failure_;
  bool heard_ = false;
  bool done_ = false;
};

class Load {
 public:
  Load(const server::client::Server& server, const LoadOptions& options,
       const std::vector<Arrival>& arrivals, const std::vector<uint32_t>& vocabulary,
       const Clock& clock, const std::function<void()>& on_done)
      : server_(server),
        options_(options),
        arrivals_(arrivals),
        vocabulary_(vocabulary),
        clock_(clock),
        on_done_(on_done),
        samples_(arrivals.size()),
        calls_(arrivals.size()),
        timer_(io_) {}

  std::vector<Sample> run() {
    start_ = clock_.now();
    wait_for_next();
    io_.run();
    return std::move(samples_);
  }

 private:
  void wait_for_next() {
    if (next_ == arrivals_.size()) return;
    timer_.expires_after(arrivals_[next_].at - (clock_.now() - start_));
    timer_.async_wait([this](boost::system::error_code) {
      const Duration now = clock_.now() - start_;
      for (; next_ < arrivals_.size() && arrivals_[next_].at <= now; ++next_) {
        samples_[next_].due = arrivals_[next_].at;
        waiting_.push_back(next_);
      }
      begin_waiting();
      wait_for_next();
    });
  }

  void begin_waiting() {
    while (!waiting_.empty() && under_way_ < options_.concurrency_max) {
      const size_t at = waiting_.front();
      waiting_.pop_front();
      ++under_way_;
      calls_[at] = std::make_unique<Call>(io_, server_, clock_, start_, samples_[at]);
      calls_[at]->begin(body_of(arrivals_[at], options_, vocabulary_), options_,
                        [this, at] { asio::post(io_, [this, at] { ended(at); }); });
    }
  }

  void ended(size_t at) {
    calls_[at].reset();
    --under_way_;
    on_done_();
    begin_waiting();
  }

  const server::client::Server& server_;
  const LoadOptions& options_;
  const std::vector<Arrival>& arrivals_;
  const std::vector<uint32_t>& vocabulary_;
  const Clock& clock_;
  const std::function<void()>& on_done_;
  asio::io_context io_{1};
  std::vector<Sample> samples_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::deque<size_t> waiting_;
  uint32_t under_way_ = 0;
  size_t next_ = 0;
  asio::steady_timer timer_;
  Instant start_{};
};

}  // namespace

Result<std::vector<uint32_t>> ask_vocabulary(const server::client::Server& server,
                                             const LoadOptions& options) {
  json question = {{"prompt", kText}, {"add_special_tokens", false}};
  if (!options.model.empty()) question["model"] = options.model;
  std::string body;
  BATON_TRY(outcome, post_stream(server, {"/tokenize", question.dump(), options.api_key},
                                 [&](int, std::string_view piece) { body += piece; }));
  if (outcome.status != 200) {
    return fail(ErrorCode::unavailable, "/tokenize answered {}", sentence_of(outcome.status, body));
  }
  const json answer = json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("tokens") || !answer["tokens"].is_array() ||
      answer["tokens"].empty()) {
    return fail(ErrorCode::unavailable, "/tokenize gave no tokens");
  }
  std::set<uint32_t> ids;
  for (const auto& id : answer["tokens"]) {
    if (id.is_number_unsigned()) ids.insert(id.get<uint32_t>());
  }
  return std::vector<uint32_t>(ids.begin(), ids.end());
}

std::vector<Sample> run_load(const server::client::Server& server, const LoadOptions& options,
                             const std::vector<Arrival>& arrivals,
                             const std::vector<uint32_t>& vocabulary, const Clock& clock,
                             const std::function<void()>& on_done) {
  return Load(server, options, arrivals, vocabulary, clock, on_done).run();
}

}  // namespace baton::bench
