// constraint_bench [--model DIR]: what answers in a given form cost, over a vocabulary of 129,280
// tokens made for it, or over a model folder's own: compiling, the vocabulary's tree, and the mask
// of each step, for the first answer of a form and for those after it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/hash/counter_rng.h"
#include "bench/constraint/vocabulary.h"
#include "model/constraint/language.h"
#include "model/text/tokenizer.h"

namespace baton {
namespace {

using constraint::Form;

constexpr size_t kVocabulary = 129'280;
constexpr size_t kAnswers = 20;

struct Case {
  const char* name;
  Form form;
  std::string text;
  std::function<std::string(SeededRandom&)> answer;
};

std::string words(SeededRandom& random, uint64_t count) {
  static constexpr std::array<const char*, 12> kWords = {
      "the",    "answer",       "of",        "this", "step",   "is",
      "simple", "\u4F60\u597D", "\\\"x\\\"", "42",   "result", "\u00E9t\u00E9"};
  std::string text;
  for (; count > 0; --count)
    text += std::string(text.empty() ? "" : " ") + kWords[random.below(12)];
  return text;
}

const char* const kSteps = R"({"type":"object","properties":{"steps":{"type":"array","items":{
  "type":"object","properties":{"explanation":{"type":"string"},"output":{"type":"string"}},
  "required":["explanation","output"],"additionalProperties":false}},
  "final_answer":{"type":"string"}},"required":["steps","final_answer"],
  "additionalProperties":false})";

std::string steps(SeededRandom& random) {
  std::string text = "{\"steps\":[";
  const uint64_t count = 1 + random.below(5);
  for (uint64_t i = 0; i < count; ++i) {
    text += fmt::format("{}{{\"explanation\": \"{}\", \"output\": \"{}\"}}", i > 0 ? "," : "",
                        words(random, 5 + random.below(25)), words(random, 1 + random.below(5)));
  }
  return text + "], \"final_answer\": \"" + words(random, 6) + "\"}";
}

std::string tree(SeededRandom& random, int depth) {
  std::string text = fmt::format(R"({{"type":"div","label":"{}","children":[)", words(random, 3));
  for (uint64_t i = depth > 0 ? random.below(4) : 0; i > 0; --i)
    text += tree(random, depth - 1) + (i > 1 ? "," : "");
  return text + "]}";
}

std::string any_value(SeededRandom& random, int depth) {
  switch (random.below(depth > 0 ? 6 : 4)) {
    case 0:
      return fmt::format("{}", random.below(100'000));
    case 1:
      return "true";
    case 2:
      return fmt::format("-{}.{}e{}", random.below(100), random.below(100), random.below(20));
    case 3:
      return "\"" + words(random, 1 + random.below(10)) + "\"";
    case 4: {
      std::string text = "[";
      for (uint64_t i = random.below(5); i > 0; --i)
        text += any_value(random, depth - 1) + (i > 1 ? ", " : "");
      return text + "]";
    }
    default: {
      std::string text = "{";
      for (uint64_t i = random.below(5); i > 0; --i)
        text += "\n  \"" + words(random, 1) + "\": " + any_value(random, depth - 1) +
                (i > 1 ? "," : "\n");
      return text + "}";
    }
  }
}

std::string wide_schema() {
  std::string text = R"({"type":"object","properties":{)";
  for (int i = 0; i < 100; ++i)
    text +=
        fmt::format(R"({}"member_{}":{{"type":["string","integer","null"]}})", i > 0 ? "," : "", i);
  return text + "}}";
}

std::vector<Case> cases() {
  return {
      {"json_object", Form::json_object, "",
       [](SeededRandom& r) { return "{\"a\": " + any_value(r, 4) + "}"; }},
      {"math steps", Form::json_schema, kSteps, steps},
      {"recursive $ref", Form::json_schema,
       R"({"type":"object","properties":{"type":{"enum":["div","button"]},
           "label":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},
           "required":["type","label","children"]})",
       [](SeededRandom& r) { return tree(r, 4); }},
      {"100 optional members", Form::json_schema, wide_schema(),
       [](SeededRandom& r) {
         std::string text;
         for (int i = 0; i < 100; i += 1 + static_cast<int>(r.below(10)))
           text += fmt::format("{}\"member_{}\": \"{}\"", text.empty() ? "" : ", ", i, words(r, 3));
         return "{" + text + "}";
       }},
      {"maxLength 500", Form::json_schema, R"({"type":"string","maxLength":500})",
       [](SeededRandom& r) { return "\"" + words(r, 10 + r.below(50)) + "\""; }},
      {"regex: date and text", Form::regex, R"(\d{4}-\d{2}-\d{2}: [^\n]{1,200}\.)",
       [](SeededRandom& r) { return "2024-05-17: " + words(r, 5 + r.below(15)) + "."; }},
      {"choice of 3", Form::choice, R"(["positive","negative","neutral"])",
       [](SeededRandom& r) { return r.below(2) > 0 ? "positive" : "neutral"; }},
      {"grammar: arithmetic", Form::grammar,
       R"g(root ::= term (" "? [-+*/] " "? term)*
           term ::= [0-9]{1,9} | "(" root ")")g",
       [](SeededRandom& r) {
         std::string text = "1";
         for (uint64_t i = 5 + r.below(40); i > 0; --i)
           text = r.below(3) > 0 ? text + " + " + std::to_string(r.below(999)) : "(" + text + ")";
         return text;
       }}};
}

struct Times {
  double total_us = 0, worst_us = 0;
  uint64_t steps = 0;
  double each() const { return steps == 0 ? 0 : total_us / static_cast<double>(steps); }
};

// The masks of all steps of an answer; false if the form doesn't take it.
bool say(constraint::Language& language, const std::vector<TokenId>& tokens, const Clock& clock,
         Times& times, Times& advances) {
  constraint::Matcher matcher(language.automaton());
  std::vector<uint64_t> mask(language.masks().words());
  const auto time = [&](Times& of, const auto& work) {
    const Instant begun = clock.now();
    work();
    const double us = to_seconds(clock.now() - begun) * 1e6;
    of.total_us += us;
    of.worst_us = std::max(of.worst_us, us);
    ++of.steps;
  };
  for (const TokenId token : tokens) {
    time(times, [&] { language.masks().fill(matcher, mask); });
    if ((mask[token / 64] >> (token % 64) & 1) == 0) return false;
    time(advances, [&] { matcher.advance(language.vocabulary().text(token)); });
  }
  return matcher.can_end();
}

bool measure(const Case& each, const constraint::TokenTrie& vocabulary,
             const bench::GreedyTokenizer& tokenizer, const Clock& clock) {
  const Instant begun = clock.now();
  const auto language = constraint::Language::compile(each.form, each.text, vocabulary);
  const double compile_ms = to_seconds(clock.now() - begun) * 1e3;
  if (!language) {
    std::fprintf(stderr, "constraint_bench: %s\n", language.error().message.c_str());
    return false;
  }
  SeededRandom random(3);
  Times first, later, advances;
  for (size_t i = 0; i < kAnswers; ++i) {
    const std::string answer = each.answer(random);
    if (!say(**language, tokenizer.encode(answer), clock, i == 0 ? first : later, advances)) {
      std::fprintf(stderr, "constraint_bench: %s takes no %s\n", each.name, answer.c_str());
      return false;
    }
  }
  Times all{first.total_us + later.total_us, std::max(first.worst_us, later.worst_us),
            first.steps + later.steps};
  fmt::print("{:<22} {:>7} {:>9.2f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.0f} {:>9.2f} {:>8.1f}\n",
             each.name, (*language)->automaton().states(), compile_ms, first.each(), later.each(),
             all.each(), all.worst_us, advances.each(),
             static_cast<double>((*language)->masks().counts().bytes) / 1e6);
  return true;
}

int run(const std::string& model) {
  const SystemClock clock;
  std::optional<text::Tokenizer> tokenizer;
  std::vector<std::string> made;
  std::vector<std::string_view> tokens;
  if (model.empty()) {
    made = bench::make_vocabulary(kVocabulary);
    tokens.assign(made.begin(), made.end());
  } else {
    auto loaded = text::Tokenizer::load(model);
    if (!loaded) {
      std::fprintf(stderr, "constraint_bench: %s\n", loaded.error().message.c_str());
      return 1;
    }
    tokenizer.emplace(std::move(*loaded));
    for (TokenId id = 0; id < tokenizer->vocab_size(); ++id)
      tokens.push_back(tokenizer->is_added(id) ? std::string_view() : tokenizer->token_bytes(id));
  }
  const Instant begun = clock.now();
  const constraint::TokenTrie vocabulary(tokens);
  fmt::print("vocabulary of {} tokens: sorted in {:.0f} ms, {} nodes, {:.1f} MB\n\n",
             vocabulary.vocabulary(), to_seconds(clock.now() - begun) * 1e3,
             vocabulary.nodes().size(), static_cast<double>(vocabulary.bytes()) / 1e6);
  fmt::print("{:<22} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}\n", "", "", "compile",
             "first us", "later us", "mean us", "worst us", "advance", "masks");
  fmt::print("{:<22} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}\n", "form", "states", "ms",
             "a mask", "a mask", "a mask", "a mask", "us", "MB");
  const bench::GreedyTokenizer greedy(tokens);
  bool good = true;
  for (const Case& each : cases()) good = measure(each, vocabulary, greedy, clock) && good;
  return good ? 0 : 1;
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) {
  std::string model;
  CLI::App app("What answers in a given form cost.");
  app.add_option("--model", model, "a model folder whose vocabulary is taken; none: one is made");
  CLI11_PARSE(app, argc, argv);
  return baton::run(model);
}
