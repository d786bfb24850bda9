// Mode exact against reference results that were computed in float64 elsewhere.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/model/harness.h"
#include "tests/support/shared_data.h"

namespace baton::model {
namespace {

using nlohmann::json;
using testing::Harness;
using testing::Session;

constexpr double kLogprobTolerance = 1e-3;
constexpr double kTie = 1e-4;  // margins below may fall either way in float32

class Golden : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string name = std::string("golden/") + GetParam();
    BATON_NEED_SHARED(dir, name);
    checkpoint_.emplace(checkpoint::Checkpoint::open(dir).value());
    std::ifstream(dir / "golden.json") >> golden_;
    harness_.emplace(*checkpoint_, RunnerOptions{.layout = {.threads = 2}});
  }

  Session open(const json& reference) {
    return harness_->open(reference["prompt"].get<std::vector<TokenId>>());
  }

  std::optional<checkpoint::Checkpoint> checkpoint_;
  json golden_;
  std::optional<Harness> harness_;
};

INSTANTIATE_TEST_SUITE_P(Checkpoints, Golden,
                         ::testing::Values("v3-nano", "v3-nano-fp8", "v2-lite-nano"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(Golden, GreedyTokensLogprobsAndDraftsAreTheReference) {
  for (const json& reference : golden_["cases"]) {
    SCOPED_TRACE(reference["name"].get<std::string>());
    const json& greedy = reference["greedy"];
    const size_t count = greedy["tokens"].size();
    Session session = open(reference);
    harness_->prefill(session, 100);
    for (size_t i = 0; i < count; ++i) {
      harness_->decode_step(session);
      const SampledToken& sampled = session.sampled.back();
      ASSERT_NEAR(sampled.logprob, greedy["logprobs"][i].get<double>(), kLogprobTolerance) << i;
      if (sampled.token == greedy["tokens"][i]) continue;
      ASSERT_LT(greedy["margins"][i].get<double>(), kTie) << i;
      break;  // a tie: from here on the texts differ
    }
    ASSERT_EQ(harness_->runner().has_mtp(), reference.contains("mtp"));
    ASSERT_EQ(session.drafted.empty(), !reference.contains("mtp"));
    for (size_t i = 0; i < session.drafted.size(); ++i) {
      const json& mtp = reference["mtp"];
      if (i >= mtp["drafts"].size()) break;
      EXPECT_EQ(session.drafted[i].token, mtp["drafts"][i]) << i;
      EXPECT_NEAR(session.drafted[i].logprob, mtp["logprobs"][i].get<double>(), kLogprobTolerance);
    }
  }
}

TEST_P(Golden, VerifiedDraftsAreAcceptedAsInTheReferenceAndChangeNothing) {
  for (const json& reference : golden_["cases"]) {
    if (!reference.contains("mtp")) GTEST_SKIP() << "no MTP layer";
    SCOPED_TRACE(reference["name"].get<std::string>());
    const auto tokens = reference["greedy"]["tokens"].get<std::vector<TokenId>>();
    Session session = open(reference);
    session.verify_drafts = true;
    harness_->prefill(session);
    harness_->decode(session, tokens.size());
    session.output.resize(tokens.size());
    EXPECT_EQ(session.output, tokens);
    // The first step has no draft to verify; each later one has the draft after the last token.
    size_t steps = 1;
    for (size_t known = 1; known < tokens.size(); ++steps) {
      known += reference["mtp"]["accepted"][known - 1] != 0 ? 2 : 1;
    }
    EXPECT_EQ(session.steps, steps);
  }
}

TEST_P(Golden, DeeperDraftsChangeNoByte) {
  for (const json& reference : golden_["cases"]) {
    if (!reference.contains("mtp")) GTEST_SKIP() << "no MTP layer";
    SCOPED_TRACE(reference["name"].get<std::string>());
    const auto tokens = reference["greedy"]["tokens"].get<std::vector<TokenId>>();
    uint32_t steps = 0;
    std::vector<Digest> digests;
    for (const uint32_t depth : {1u, 2u, 5u}) {
      Session session = open(reference);
      session.verify_drafts = true;
      session.draft_depth = depth;
      harness_->prefill(session);
      harness_->decode(session, tokens.size());
      session.output.resize(tokens.size());
      EXPECT_EQ(session.output, tokens);
      auto seen = session.digests();
      seen.resize(tokens.size());
      if (digests.empty()) digests = seen;
      EXPECT_EQ(seen, digests) << depth;
      if (depth == 1) steps = session.steps;
      EXPECT_LE(session.steps, steps) << "the first draft is as good as alone";
    }
  }
}

// Collects what one step over a whole prompt computes.
class Trace : public layers::Observer {
 public:
  void residual(size_t stage, std::span<const float> rows) override {
    stages.resize(std::max(stages.size(), stage + 1));
    stages[stage].assign(rows.begin(), rows.end());
  }
  void routed(size_t layer, std::span<const uint32_t> ids, std::span<const float> w) override {
    experts[layer].assign(ids.begin(), ids.end());
    weights[layer].assign(w.begin(), w.end());
  }
  std::vector<std::vector<float>> stages;
  std::map<size_t, std::vector<uint32_t>> experts;
  std::map<size_t, std::vector<float>> weights;
};

void compare_residuals(const json& reference, const Trace& trace, size_t hidden) {
  const auto positions = reference["positions"].get<std::vector<size_t>>();
  for (size_t p = 0; p < positions.size(); ++p) {
    const json& norms = reference["residual_l2"][p];
    ASSERT_EQ(norms.size(), trace.stages.size());
    for (size_t s = 0; s < norms.size(); ++s) {
      const float* row = trace.stages[s].data() + positions[p] * hidden;
      double squares = 0;
      for (size_t i = 0; i < hidden; ++i) squares += static_cast<double>(row[i]) * row[i];
      const double norm = norms[s].get<double>();
      EXPECT_NEAR(std::sqrt(squares), norm, 1e-4 * norm) << p << " " << s;
      for (size_t i = 0; i < 4; ++i) {
        EXPECT_NEAR(row[i], reference["residual_first4"][p][s][i].get<double>(), 1e-4 * norm);
      }
    }
  }
}

void compare_experts(const json& reference, const Trace& trace) {
  const auto positions = reference["positions"].get<std::vector<size_t>>();
  for (const json& layer : reference["moe"]) {
    const size_t index = layer["layer"].get<size_t>();
    for (size_t p = 0; p < positions.size(); ++p) {
      const auto expected = layer["experts"][p].get<std::vector<uint32_t>>();
      const size_t k = expected.size();
      for (size_t i = 0; i < k; ++i) {
        const auto begin =
            trace.experts.at(index).begin() + static_cast<ptrdiff_t>(positions[p] * k);
        const auto at = std::find(begin, begin + static_cast<ptrdiff_t>(k), expected[i]);
        ASSERT_NE(at, begin + static_cast<ptrdiff_t>(k)) << index << " " << p;
        const auto place = static_cast<size_t>(at - trace.experts.at(index).begin());
        EXPECT_NEAR(trace.weights.at(index)[place], layer["weights"][p][i].get<double>(), 1e-4);
      }
    }
  }
}

TEST_P(Golden, ResidualsExpertsAndPromptLogprobsAreTheReference) {
  auto& network = harness_->network();
  const size_t hidden = network.config().hidden_size;
  const size_t vocabulary = network.config().vocab_size;
  for (const json& reference : golden_["cases"]) {
    SCOPED_TRACE(reference["name"].get<std::string>());
    Session session = open(reference);
    Trace trace;
    network.observe(&trace);
    auto rows = session.decode();  // all rows in one step: the last one in the decode form
    rows.draft_depth = 0;
    harness_->runner().step(std::span(&rows, 1), harness_->cache(), {});
    network.observe(nullptr);
    compare_residuals(reference["trace"], trace, hidden);
    compare_experts(reference["trace"], trace);
    const size_t n = session.prompt.size();
    std::vector<float> logits(n * vocabulary);
    network.logits({trace.stages.back().data(), hidden, nullptr}, n, logits.data());
    Session scored = open(reference);
    scored.score = 1;
    harness_->prefill(scored, 37);
    ASSERT_EQ(scored.scores.size(), n - 1);
    for (size_t i = 1; i < n; ++i) {
      const PromptScore& score = scored.scores[i - 1];
      EXPECT_EQ(score.token.token, session.prompt[i]);
      EXPECT_NEAR(score.token.logprob, reference["prompt_logprobs"][i].get<double>(),
                  kLogprobTolerance);
      EXPECT_EQ(score.rank == 1, score.top.at(0).logprob == score.token.logprob);
      const float* row = logits.data() + (i - 1) * vocabulary;
      const float sum = kernels::log_sum_exp(kernels::best_kernels(), row, vocabulary);
      EXPECT_NEAR(row[session.prompt[i]] - sum, reference["prompt_logprobs"][i].get<double>(),
                  kLogprobTolerance)
          << i;
    }
    const std::span<const float> last(logits.data() + (n - 1) * vocabulary, vocabulary);
    const float sum = kernels::log_sum_exp(kernels::best_kernels(), last.data(), vocabulary);
    EXPECT_NEAR(sum, reference["first"]["logsumexp"].get<double>(), kLogprobTolerance);
    const auto top = top_logprobs(last, sum, 10);
    for (size_t i = 0; i < top.size(); ++i) {
      EXPECT_NEAR(top[i].logprob + sum, reference["first"]["top10"][i][1].get<double>(),
                  kLogprobTolerance);
    }
  }
}

}  // namespace
}  // namespace baton::model
