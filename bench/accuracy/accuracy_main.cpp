// accuracy_bench: how far a numeric mode is from `exact`, token by token: the Kullback-Leibler
// divergence of its distribution, and how often its likeliest token is the same.
//
// `exact` answers each prompt greedily; the mode is then given the same tokens, one step after the
// other, and its distribution compared at each. With questions (JSON lines with `messages`) it also
// answers by itself; --json keeps both answers for judge.py. Without questions prompts are random.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/hash/counter_rng.h"
#include "base/system/cpu.h"
#include "base/system/options.h"
#include "bench/engine/driver.h"
#include "model/checkpoint/packed/numeric_mode.h"
#include "model/text/chat/chat_template.h"
#include "model/text/tokenizer.h"

namespace baton::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string model;
  std::vector<std::string> modes = {"fast"};
  std::string questions;
  std::string pack_dir;
  std::string json;
  size_t prompts = 16;         // random ones
  size_t prompt_tokens = 200;  // of each
  size_t answer_tokens = 64;
  size_t limit = 0;  // questions; 0: all
  unsigned threads = cpu_count();
};

constexpr size_t kBatch = 32;

struct Question {
  std::vector<TokenId> prompt;
  Json source;  // as the file has it
};

using Row = std::vector<float>;  // log-probabilities by token

struct Answer {
  std::vector<TokenId> tokens;  // the one that ends it included
  std::vector<Row> rows;        // of each of them
};

Row row_of(const model::SampledToken& sampled, size_t vocabulary) {
  Row row(vocabulary);
  for (const TokenLogprob& each : sampled.top) row[each.token] = each.logprob;
  return row;
}

// Answers in batches. With `forced` these tokens are the answers; rows are kept if asked for.
std::vector<Answer> answer_all(Driver& driver, std::span<const Question> questions,
                               const Options& o, bool keep_rows, std::span<const Answer> forced) {
  const auto& config = driver.config();
  const auto ends = [&](TokenId token) {
    return std::ranges::find(config.eos_token_ids, token) != config.eos_token_ids.end();
  };
  std::vector<Answer> answers(questions.size());
  for (size_t begin = 0; begin < questions.size(); begin += kBatch) {
    const size_t count = std::min(kBatch, questions.size() - begin);
    std::vector<Stream> streams;
    for (size_t i = 0; i < count; ++i) {
      streams.push_back(driver.open(questions[begin + i].prompt, o.answer_tokens + 1));
      driver.prefill(streams.back());
      if (keep_rows) {
        streams.back().report.top_logprobs = static_cast<uint32_t>(config.vocab_size);
      }
    }
    while (true) {
      std::vector<Stream*> step;
      std::vector<size_t> which;
      for (size_t i = 0; i < count; ++i) {
        const Answer& answer = answers[begin + i];
        const size_t wanted = forced.empty() ? o.answer_tokens : forced[begin + i].tokens.size();
        if (answer.tokens.size() >= wanted) continue;
        if (forced.empty() && !answer.tokens.empty() && ends(answer.tokens.back())) continue;
        step.push_back(&streams[i]);
        which.push_back(begin + i);
      }
      if (step.empty()) break;
      driver.decode(step);
      for (size_t i = 0; i < step.size(); ++i) {
        Answer& answer = answers[which[i]];
        const auto& sampled = step[i]->last.front();
        if (keep_rows) answer.rows.push_back(row_of(sampled, config.vocab_size));
        const TokenId token =
            forced.empty() ? sampled.token : forced[which[i]].tokens[answer.tokens.size()];
        Driver::force(*step[i], token);
        answer.tokens.push_back(token);
      }
    }
    for (Stream& stream : streams) driver.close(stream);
  }
  return answers;
}

double divergence(const Row& exact, const Row& other) {
  double sum = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double p = std::exp(static_cast<double>(exact[i]));
    sum += p * (static_cast<double>(exact[i]) - other[i]);
  }
  return std::max(0.0, sum);
}

size_t likeliest(const Row& row) {
  return static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

Json compare(std::span<const Answer> exact, std::span<const Answer> other) {
  std::vector<double> divergences;
  size_t same = 0;
  for (size_t q = 0; q < exact.size(); ++q) {
    for (size_t t = 0; t < exact[q].rows.size(); ++t) {
      divergences.push_back(divergence(exact[q].rows[t], other[q].rows[t]));
      same += likeliest(exact[q].rows[t]) == likeliest(other[q].rows[t]) ? 1 : 0;
    }
  }
  std::ranges::sort(divergences);
  double mean = 0;
  for (const double each : divergences) mean += each / static_cast<double>(divergences.size());
  const auto count = static_cast<double>(divergences.size());
  return {{"tokens", divergences.size()},
          {"mean_kl", mean},
          {"p99_kl", divergences[divergences.size() * 99 / 100]},
          {"max_kl", divergences.back()},
          {"top1", static_cast<double>(same) / count}};
}

Result<std::unique_ptr<Driver>> driver_of(const checkpoint::Checkpoint& model, const Options& o,
                                          const std::string& mode, size_t tokens) {
  DriverOptions setup;
  setup.runner.mode = mode;
  setup.runner.pack_dir = o.pack_dir;
  setup.runner.pack_progress = ProgressBar::best_style();
  setup.runner.layout.threads = o.threads;
  setup.tokens_max = kBatch * (tokens + o.answer_tokens + 65);
  return Driver::create(model, setup);
}

Result<std::vector<Question>> read_questions(const Options& o, const text::Tokenizer& tokenizer) {
  BATON_TRY(chat, text::ChatTemplate::load(o.model));
  std::ifstream file(o.questions);
  if (!file) return fail(ErrorCode::not_found, "can't read {}", o.questions);
  std::vector<Question> all;
  for (std::string line; std::getline(file, line);) {
    const Json source = Json::parse(line);
    BATON_TRY(rendered,
              chat.render(source["messages"], nullptr, {{"add_generation_prompt", true}}));
    BATON_TRY(prompt, tokenizer.encode(rendered));
    all.push_back({prompt, source});
  }
  if (o.limit == 0 || o.limit >= all.size()) return all;
  std::vector<Question> some;  // equal strides keep the mix
  for (size_t i = 0; i < o.limit; ++i) some.push_back(all[i * all.size() / o.limit]);
  return some;
}

std::vector<Question> random_questions(const Options& o, size_t vocabulary) {
  SeededRandom random(7);
  std::vector<Question> all(o.prompts);
  for (Question& question : all) {
    for (size_t i = 0; i < o.prompt_tokens; ++i) {
      question.prompt.push_back(static_cast<TokenId>(random.below(vocabulary)));
    }
  }
  return all;
}

Result<void> run(const Options& o) {
  BATON_TRY(model, checkpoint::Checkpoint::open(o.model));
  std::vector<Question> questions;
  std::optional<text::Tokenizer> tokenizer;
  if (o.questions.empty()) {
    questions = random_questions(o, model.config().vocab_size);
  } else {
    BATON_TRY(loaded, text::Tokenizer::load(o.model));
    tokenizer.emplace(std::move(loaded));
    BATON_TRY(read, read_questions(o, *tokenizer));
    questions = std::move(read);
  }
  size_t longest = 0;
  for (const Question& question : questions) longest = std::max(longest, question.prompt.size());
  std::vector<Answer> exact;
  {
    BATON_TRY(driver, driver_of(model, o, "exact", longest));
    exact = answer_all(*driver, questions, o, true, {});
  }
  const auto spell = [&](const Answer& answer) {
    return tokenizer ? tokenizer->decode(answer.tokens, true) : std::string();
  };
  Json json = {{"model", o.model}, {"prompts", questions.size()}};
  fmt::print("{}, {} prompts, against exact\n", o.model, questions.size());
  fmt::print("{:<12}{:>8}{:>12}{:>12}{:>12}{:>9}{:>14}\n", "mode", "tokens", "mean KL", "p99 KL",
             "max KL", "top-1", "same answers");
  for (const std::string& mode : o.modes) {
    BATON_TRY(driver, driver_of(model, o, mode, longest));
    const auto forced = answer_all(*driver, questions, o, true, exact);
    const auto own = answer_all(*driver, questions, o, false, {});
    Json result = compare(exact, forced);
    size_t same = 0;
    for (size_t q = 0; q < questions.size(); ++q) {
      same += own[q].tokens == exact[q].tokens ? 1 : 0;
      if (!tokenizer) continue;
      result["answers"].push_back(
          {{"question", questions[q].source}, {"exact", spell(exact[q])}, {"mode", spell(own[q])}});
    }
    result["same_answers"] = static_cast<double>(same) / static_cast<double>(questions.size());
    fmt::print("{:<12}{:>8}{:>12.3g}{:>12.3g}{:>12.3g}{:>8.2f}%{:>13.2f}%\n", mode,
               result["tokens"].get<size_t>(), result["mean_kl"].get<double>(),
               result["p99_kl"].get<double>(), result["max_kl"].get<double>(),
               100 * result["top1"].get<double>(), 100 * result["same_answers"].get<double>());
    json["modes"][mode] = std::move(result);
  }
  if (!o.json.empty()) std::ofstream(o.json) << json.dump(1) << "\n";
  return {};
}

int main(int argc, char** argv) {
  CLI::App app("How far numeric modes are from exact, token by token.");
  Options o;
  app.add_option("model", o.model, "folder of the model")->required();
  app.add_option("--modes", o.modes, "numeric modes")->delimiter(',')->capture_default_str();
  app.add_option("--questions", o.questions, "JSON lines with messages [random prompts]");
  app.add_option("--pack-dir", o.pack_dir, "folder of packed weights [the model's]");
  app.add_option("--json", o.json, "keep figures and answers in this file");
  app.add_option("--prompts", o.prompts, "random prompts")->capture_default_str();
  app.add_option("--prompt-tokens", o.prompt_tokens, "of each")->capture_default_str();
  app.add_option("--answer-tokens", o.answer_tokens, "of each at most")->capture_default_str();
  app.add_option("--limit", o.limit, "questions, spread evenly; 0: all")->capture_default_str();
  app.add_option("--threads", o.threads, "compute threads")->capture_default_str();
  if (const auto status = parse_options(app, argc, argv)) return *status;
  const auto done = run(o);
  if (done) return 0;
  fmt::print(stderr, "accuracy_bench: {}\n", done.error().message);
  return 1;
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) { return baton::bench::main(argc, argv); }
