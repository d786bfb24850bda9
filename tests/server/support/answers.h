// What an answer becomes: whole or as a stream, from a body and the tokens of the model.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "server/api/answer/answer.h"
#include "tests/server/support/fake_model.h"

namespace baton::testing {

inline const server::api::AnswerName kAnswerName{0xA, 0xB, 5};
inline const std::string kAnswerBits = "000000000000000a000000000000000b";

inline server::api::Prepared prepared_of(server::api::Dialect dialect, const std::string& body,
                                         const FakeModel& model) {
  auto prepared = server::api::prepare_body(dialect, body, model, {});
  EXPECT_TRUE(prepared) << prepared.error().message << body;
  return *std::move(prepared);
}

inline std::string answered(server::api::Dialect dialect, const std::string& body,
                            const FakeModel& model, const std::vector<TokenEvent>& events,
                            std::string_view explain = "") {
  const auto prepared = prepared_of(dialect, body, model);
  const auto answer = server::api::make_answer(prepared, model, kAnswerName);
  std::string out;
  answer->tokens(0, events, out);
  answer->finish(0, explain, out);
  return out;
}

// The data of a stream's events, each parsed; [DONE] as a string.
inline std::vector<server::api::Json> events_in(std::string_view stream) {
  std::vector<server::api::Json> events;
  while (!stream.empty()) {
    const size_t end = stream.find("\n\n");
    EXPECT_NE(end, std::string_view::npos);
    std::string_view event = stream.substr(0, end);
    stream.remove_prefix(end + 2);
    std::string type;
    if (event.starts_with("event: ")) {
      type = event.substr(7, event.find('\n') - 7);
      event.remove_prefix(event.find('\n') + 1);
    }
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    event.remove_prefix(6);
    events.push_back(event == "[DONE]" ? server::api::Json("[DONE]")
                                       : server::api::Json::parse(event));
    if (!type.empty()) {
      EXPECT_EQ(events.back()["type"], type);
    }
  }
  return events;
}

}  // namespace baton::testing
