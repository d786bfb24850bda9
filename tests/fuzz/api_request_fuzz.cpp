// Any bytes as the body of a request: refused with a sentence, or prepared and answered in valid
// JSON. The first byte chooses the endpoint.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "server/api/answer.h"
#include "tests/server/support/fake_model.h"

namespace {

using namespace baton;
using namespace baton::server;

const testing::FakeModel kModel;

void answer(const api::Prepared& prepared) {
  const size_t choices = prepared.states.size() * prepared.request.choices;
  if (choices > 64) return;
  const auto shape = api::AnswerShape::of(prepared, kModel.facts(), "id", 1);
  api::WholeAnswer whole(shape, prepared, kModel);
  api::StreamAnswer stream(shape, prepared, kModel);
  std::string out;
  for (size_t prompt = 0; prompt < prepared.states.size(); ++prompt) {
    for (ChoiceIndex choice = 0; choice < prepared.request.choices; ++choice) {
      const auto events = testing::events_of("a\"\n\xff", choice);
      whole.tokens(prompt, events);
      stream.tokens(prompt, events, out);
    }
  }
  stream.finish({1, 2, 0}, "", out);
  check(nlohmann::json::accept(whole.finish({1, 2, 0}, "")), "a whole answer is valid JSON");
  check(out.ends_with("data: [DONE]\n\n"), "a stream has an end");
}

template <class T>
void judge(const api::ApiResult<T>& result) {
  if (result) return;
  const api::ApiError& error = result.error();
  check(error.status == 400 || error.status == 404, "a bad request is the client's mistake");
  check(!error.message.empty() && nlohmann::json::accept(api::error_json(error)),
        "an error is a sentence in valid JSON");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const api::ApiLimits limits;
  if (data[0] % 4 == 0) {
    judge(api::tokenize(body, kModel, limits));
  } else if (data[0] % 4 == 1) {
    judge(api::detokenize(body, kModel, limits));
  } else {
    const auto prepared = data[0] % 4 == 2 ? api::prepare_chat(body, kModel, limits)
                                           : api::prepare_completion(body, kModel, limits);
    judge(prepared);
    if (prepared) answer(*prepared);
  }
  return 0;
}
