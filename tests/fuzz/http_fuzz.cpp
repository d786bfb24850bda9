// Any bytes as what a client sends: any split gives the same requests, and each request gets one
// answer, with an engine that answers at once. No sockets. The first byte chooses the split.
#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

#include "server/http/request_reader.h"
#include "server/routes/router.h"
#include "tests/server/support/fake_engine.h"

namespace {

using namespace baton;
using namespace baton::server;

struct Answer {
  int begun = 0;
  int ended = 0;
};

class KeptExchange final : public http::Exchange {
 public:
  explicit KeptExchange(Answer& answer) : answer_(answer) {}
  void on_gone(std::function<void()>) override {}
  void respond(http::Response response) override {
    check(response.status >= 200 && response.status < 600, "an answer has a status");
    ++answer_.begun;
    ++answer_.ended;
  }
  void begin(http::Response, std::string_view) override { ++answer_.begun; }
  void write(std::string_view) override {
    check(answer_.ended == 0, "nothing comes after the end");
  }
  void end() override { ++answer_.ended; }

 private:
  Answer& answer_;
};

std::vector<http::Request> read(std::string_view bytes, size_t step, int& failed) {
  http::RequestReader reader({.body_bytes_max = 4096});
  std::vector<http::Request> requests;
  for (size_t at = 0; at < bytes.size(); at += step) {
    reader.feed(bytes.substr(at, step));
    while (reader.state() == http::Reading::complete) requests.push_back(reader.take());
  }
  failed = reader.state() == http::Reading::failed ? reader.refusal().status : 0;
  return requests;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  int failed_whole = 0, failed_split = 0;
  auto requests = read(bytes, std::max<size_t>(bytes.size(), 1), failed_whole);
  const auto split = read(bytes, 1 + data[0] % 32, failed_split);
  check(requests.size() == split.size(), "any split gives as many requests");
  check(failed_whole == failed_split, "any split fails alike");
  for (size_t i = 0; i < split.size(); ++i) {
    check(requests[i].path == split[i].path && requests[i].body == split[i].body,
          "any split gives the same requests");
  }

  boost::asio::io_context context{1};
  const testing::FakeModel model;
  const ManualClock clock;
  Metrics metrics;
  ServingMetrics serving(metrics, "fake");
  testing::FakeEngine engine(context.get_executor());
  WorkQueue work(context.get_executor(), 1, 64);
  uint64_t drawn = 0;
  const ApiKeys keys;
  Router router({context.get_executor(),
                 model,
                 engine,
                 clock,
                 work,
                 serving,
                 [&drawn] { return ++drawn; },
                 {}},
                keys, metrics, Log(), {});
  std::vector<Answer> answers(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    if (router.refuse(requests[i])) {
      answers[i] = {1, 1};
    } else {
      router.handle(std::move(requests[i]), std::make_unique<KeptExchange>(answers[i]));
    }
  }
  // What is prepared on the work queue comes a moment later.
  const auto all_ended = [&answers] {
    return std::ranges::all_of(answers, [](const Answer& answer) { return answer.ended == 1; });
  };
  const auto held = boost::asio::make_work_guard(context);
  const auto deadline = std::chrono::seconds(10);
  do {
    context.poll();
  } while (!all_ended() && context.run_one_for(deadline) != 0);
  for (const Answer& answer : answers) {
    check(answer.begun == 1 && answer.ended == 1, "each request has one whole answer");
  }
  return 0;
}
