// Any text of tokens as a stream of server-sent events, in every dialect: each event is one line of
// valid JSON behind its name, nothing ends a line but LF, the text comes back whole whatever bytes
// it has, and a stream that fails ends as it should. The first byte chooses.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "server/api/answer/answer.h"
#include "server/api/json_text.h"
#include "tests/server/support/fake_model.h"

namespace {

using namespace baton;
using namespace baton::server;
using Json = nlohmann::json;
using Model = baton::testing::FakeModel;

const Model kModel = Model().make_special();

constexpr std::pair<api::Dialect, const char*> kDialects[] = {
    {api::Dialect::chat,
     R"({"messages":[{"role":"user","content":"x"}],"stream":true,"logprobs":true})"},
    {api::Dialect::text, R"({"prompt":"x","stream":true,"logprobs":1})"},
    {api::Dialect::responses, R"({"input":"x","stream":true})"},
    {api::Dialect::messages,
     R"({"messages":[{"role":"user","content":"x"}],"max_tokens":9,"stream":true})"},
};

// The events' data, parsed; [DONE] is the string.
std::vector<Json> events_in(std::string_view out) {
  std::vector<Json> events;
  while (!out.empty()) {
    const size_t end = out.find("\n\n");
    check(end != out.npos, "an event ends with an empty line");
    std::string_view event = out.substr(0, end);
    out.remove_prefix(end + 2);
    if (event.starts_with("event: ")) {
      const size_t line = event.find('\n');
      check(line != event.npos, "a name has data behind it");
      event.remove_prefix(line + 1);
    }
    check(event.starts_with("data: "), "data come behind one space");
    event.remove_prefix(6);
    check(event.find_first_of("\r\n") == event.npos, "an event's data are one line");
    if (event == "[DONE]") {
      events.emplace_back("[DONE]");
      continue;
    }
    events.push_back(Json::parse(event, nullptr, false));
    check(!events.back().is_discarded(), "an event's data are JSON");
  }
  return events;
}

std::string text_in(const std::vector<Json>& events, api::Dialect dialect) {
  std::string text;
  for (const Json& event : events) {
    if (dialect == api::Dialect::chat && event.contains("choices")) {
      for (const auto& choice : event["choices"]) text += choice["delta"].value("content", "");
    } else if (dialect == api::Dialect::text && event.contains("choices")) {
      for (const auto& choice : event["choices"]) text += choice["text"].get<std::string>();
    } else if (event.is_object() && event.value("type", "") == "response.output_text.delta") {
      text += event["delta"].get<std::string>();
    } else if (event.is_object() && event.value("type", "") == "content_block_delta") {
      text += event["delta"].value("text", "");
    }
  }
  return text;
}

// What becomes of each piece when it is written: a JSON string, read back.
std::string as_written(std::string_view piece) {
  std::string json;
  api::append_json_string(json, piece);
  return Json::parse(json).get<std::string>();
}

void stream(api::Dialect dialect, const char* body, std::string_view text, size_t step,
            bool fails) {
  const auto prepared = api::prepare_body(dialect, body, kModel, {});
  check(prepared.has_value(), "the request is a good one");
  const auto answer = api::make_answer(*prepared, kModel, {1, 2, 3});
  std::string out, wanted;
  for (size_t at = 0; at < text.size(); at += step) {
    TokenEvent event;
    event.index = static_cast<uint32_t>(at / step);
    event.token = 'x';
    event.text = text.substr(at, step);
    event.logprob = -0.5f;
    event.top = {{'x', -0.5f}};
    if (at + step >= text.size() && !fails) event.finish = FinishReason::stop;
    wanted += as_written(event.text);
    answer->tokens(0, {&event, 1}, out);
  }
  if (fails) {
    answer->fail(api::unavailable("worker_lost", std::string(text.substr(0, 64)), 1), out);
  } else if (!text.empty()) {
    answer->finish(0, "", out);
  }
  const auto events = events_in(out);
  check(text_in(events, dialect) == wanted, "the text comes back whole");
  const bool openai = dialect == api::Dialect::chat || dialect == api::Dialect::text;
  if (openai && !events.empty()) check(events.back() == "[DONE]", "a stream says that it is done");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto& [dialect, body] = kDialects[data[0] % 4];
  const size_t step = 1 + (data[0] >> 3u);
  stream(dialect, body, text, step, data[0] & 4);

  std::string event;
  api::append_event(event, Json(as_written(text)).dump());
  check(events_in(event).at(0) == as_written(text), "one event is one event");
  return 0;
}
