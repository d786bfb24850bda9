// Any bytes as the body of a request: refused with a sentence, or prepared and answered in valid
// JSON, whole and as a stream. The first byte chooses the endpoint.
#include <cstdint>
#include <string_view>

#include "server/api/answer/answer.h"
#include "server/api/prompt/tokenize.h"
#include "tests/server/support/fake_model.h"

namespace {

using namespace baton;
using namespace baton::server;

const testing::FakeModel kModel = testing::FakeModel().make_special();

// Each event is one line of valid JSON, or the end.
void check_stream(std::string_view stream) {
  while (!stream.empty()) {
    const size_t end = stream.find("\n\n");
    check(end != std::string_view::npos, "an event has an end");
    std::string_view event = stream.substr(0, end);
    stream.remove_prefix(end + 2);
    if (event.starts_with("event: ")) event.remove_prefix(event.find('\n') + 1);
    check(event.starts_with("data: ") && event.find('\n') == std::string_view::npos,
          "an event is one line");
    event.remove_prefix(6);
    check(event == "[DONE]" || nlohmann::json::accept(event), "an event is valid JSON");
  }
}

void answer(api::Prepared prepared) {
  if (prepared.states.size() * prepared.request.choices > 64) return;
  for (const bool stream : {false, true}) {
    prepared.request.stream = stream;
    const auto answer = api::make_answer(prepared, kModel, {1, 2, 3});
    std::string out;
    for (size_t prompt = 0; prompt < prepared.states.size(); ++prompt) {
      if (prepared.states[prompt].report.prompt_logprobs) {
        answer->scores(prompt, {1, {{{'a', -1}, 1, {{'b', -2}}}}});
      }
      if (prepared.states[prompt].stop.max_tokens == 0) continue;
      for (ChoiceIndex choice = 0; choice < prepared.request.choices; ++choice) {
        answer->tokens(prompt, testing::events_of("a\"\n\xff", choice), out);
      }
    }
    answer->finish(0, "{\"x\":1}", out);
    if (stream) {
      check_stream(out);
    } else {
      check(nlohmann::json::accept(out), "a whole answer is valid JSON");
    }
  }
}

template <class T>
void judge(const api::ApiResult<T>& result) {
  if (result) return;
  const api::ApiError& error = result.error();
  check(error.status == 400 || error.status == 404, "a bad request is the client's mistake");
  for (const auto dialect : {api::Dialect::chat, api::Dialect::messages}) {
    check(!error.message.empty() && nlohmann::json::accept(api::error_json(error, dialect)),
          "an error is a sentence in valid JSON");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const api::ApiLimits limits;
  switch (data[0] % 8) {
    case 0:
      judge(api::tokenize(body, kModel, limits));
      break;
    case 1:
      judge(api::detokenize(body, kModel, limits));
      break;
    case 6:
      judge(api::count_tokens(body, kModel, limits));
      break;
    default: {
      const auto dialect = data[0] % 8 == 2   ? api::Dialect::chat
                           : data[0] % 8 == 3 ? api::Dialect::text
                           : data[0] % 8 == 4 ? api::Dialect::responses
                                              : api::Dialect::messages;
      const auto prepared = api::prepare_body(dialect, body, kModel, limits);
      judge(prepared);
      if (prepared) answer(*prepared);
    }
  }
  return 0;
}
