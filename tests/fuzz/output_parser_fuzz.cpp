// Any tokens as the answer of a model that thinks and calls: any split of their text gives the same
// events, nothing that isn't newlines around reasoning is lost, what is told as whole arguments is
// JSON, and streams of all dialects are well formed. The first byte chooses the rules.
#include <cstdint>
#include <string_view>

#include "server/api/answer/answer.h"
#include "tests/server/support/fake_model.h"

namespace {

using namespace baton;
using namespace baton::server;
using api::OutputEvent;
using Kind = OutputEvent::Kind;
using Model = testing::FakeModel;

const Model kModel = Model().make_special();

struct Token {
  TokenId id;
  std::string text;
};

// Bytes from 0xF0 on are special tokens, the others text; `step` bytes of text are one token.
std::vector<Token> tokens_of(std::string_view bytes, size_t step) {
  std::vector<Token> tokens;
  bool text = false;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0xF0) {
      tokens.push_back({Model::kThink + (byte & 7u) % 7u, ""});
      text = false;
      continue;
    }
    const char plain = static_cast<char>(byte & 0x7F);
    if (text && tokens.back().text.size() < step) {
      tokens.back().text += plain;
    } else {
      tokens.push_back({'x', std::string(1, plain)});
    }
    text = true;
  }
  return tokens;
}

std::vector<OutputEvent> parse(const api::OutputRules& rules, const std::vector<Token>& tokens) {
  api::OutputParser parser(rules, kModel);
  std::vector<OutputEvent> all;
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::vector<OutputEvent> events;
    parser.push(tokens[i].id, tokens[i].text, i + 1 == tokens.size(), events);
    for (const auto& event : events) {
      const bool goes_on = event.kind <= Kind::content || event.kind == Kind::arguments;
      if (goes_on) {
        api::append_event_text(all, event.kind, event.text, event.call);
      } else {
        all.push_back(event);
      }
    }
  }
  return all;
}

void check_whole(const std::vector<OutputEvent>& events) {
  api::ChoiceText text;
  for (const auto& event : events) {
    text.add(event);
    if (event.kind == Kind::call_end) {
      check(nlohmann::json::accept(text.calls.back().arguments), "whole arguments are JSON");
      check(text.calls.back().name == "f" || text.calls.back().name == "g", "a tool was declared");
    }
    if (event.kind == Kind::call_broken) {
      check(event.rest <= event.text.size(), "the rest is a part of all");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  api::OutputRules rules;
  rules.splits_reasoning = data[0] & 1;
  rules.parses_calls = data[0] & 2;
  rules.begins_reasoning = rules.splits_reasoning && (data[0] & 4);
  rules.tools = {"f", "g"};
  if (rules.parses_calls && (data[0] & 8)) {
    rules.call_begun = {Model::kCalls, Model::kCall, 'f', Model::kSep};
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = parse(rules, tokens_of(bytes, bytes.size()));
  for (const size_t step : {size_t{1}, size_t{2}, 3 + size_t{data[0]} % 16}) {
    check(parse(rules, tokens_of(bytes, step)) == whole, "any split gives the same events");
  }
  check_whole(whole);
  return 0;
}
