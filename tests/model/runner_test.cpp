// Same request, same bytes: a row's logits depend on nothing but its own sequence.
#include "model/runner.h"

#include <gtest/gtest.h>

#include "base/hash/counter_rng.h"
#include "base/system/processors.h"
#include "model/checkpoint/packed/numeric_mode.h"
#include "tests/model/harness.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::model {
namespace {

using testing::CheckpointSpec;
using testing::Harness;
using testing::Session;

struct Shape {
  std::string name;
  CheckpointSpec spec;
  std::string mode = "exact";
};

CheckpointSpec with(CheckpointSpec spec, const nlohmann::json& changes) {
  spec.config.update(changes);
  return spec;
}

// Configurations of the family, each with a feature that the others lack.
std::vector<Shape> shapes() {
  const CheckpointSpec v3;
  CheckpointSpec v2;
  v2.config = testing::tiny_v2_config();
  CheckpointSpec fp8;
  fp8.fp8 = true;
  fp8.config["hidden_size"] = 136;
  fp8.config["kv_lora_rank"] = 130;
  CheckpointSpec f16;
  f16.dtype = checkpoint::Dtype::f16;
  CheckpointSpec f32;
  f32.dtype = checkpoint::Dtype::f32;
  f32.mtp_copies = false;
  f32.config["tie_word_embeddings"] = true;
  return {
      {"v3", v3},
      {"v2_lite", v2},
      {"fp8_blocks_with_partial_edges", fp8},
      {"f16", f16},
      {"f32_tied_without_mtp_copies", f32},
      {"one_head", with(v3, {{"num_attention_heads", 1}})},
      {"six_heads_two_segments", with(v3, {{"num_attention_heads", 6}})},
      {"real_latent_sizes", with(v3, {{"kv_lora_rank", 512},
                                      {"qk_rope_head_dim", 64},
                                      {"qk_nope_head_dim", 128},
                                      {"v_head_dim", 128}})},
      {"no_dense_layer_no_shared_expert",
       with(v3, {{"first_k_dense_replace", 0}, {"n_shared_experts", 0}})},
      {"all_dense", with(v3, {{"first_k_dense_replace", 3}, {"num_nextn_predict_layers", 0}})},
      {"group_limited_greedy", with(v2, {{"topk_method", "group_limited_greedy"},
                                         {"n_group", 4},
                                         {"topk_group", 2},
                                         {"norm_topk_prob", true}})},
      {"one_group_odd_sizes", with(v3, {{"n_group", 1},
                                        {"topk_group", 1},
                                        {"hidden_size", 37},
                                        {"vocab_size", 301},
                                        {"moe_intermediate_size", 17},
                                        {"v_head_dim", 5},
                                        {"qk_nope_head_dim", 7},
                                        {"qk_rope_head_dim", 2}})},
      {"one_expert", with(v3, {{"n_routed_experts", 1},
                               {"num_experts_per_tok", 1},
                               {"n_group", 1},
                               {"topk_group", 1}})},
      {"every_other_layer", with(v3, {{"moe_layer_freq", 2}})},
  };
}

// Each shape in each numeric mode.
std::vector<Shape> shapes_and_modes() {
  std::vector<Shape> all;
  for (const checkpoint::NumericMode& mode : checkpoint::numeric_modes()) {
    const auto all_shapes = shapes();
    for (size_t i = 0; i < all_shapes.size(); i += testing::strides(mode)) {
      const Shape& shape = all_shapes[i];
      std::string name = std::string(mode.name) + "_" + shape.name;
      std::ranges::replace(name, '-', '_');
      all.push_back({name, shape.spec, std::string(mode.name)});
    }
  }
  return all;
}

std::vector<TokenId> random_prompt(uint64_t seed, size_t tokens, size_t vocabulary) {
  SeededRandom random(seed);
  std::vector<TokenId> prompt(tokens);
  for (TokenId& token : prompt) token = static_cast<TokenId>(random.below(vocabulary));
  return prompt;
}

constexpr size_t kPrompt = 150;  // two blocks and a part
constexpr size_t kAnswer = 12;

class SameBytes : public ::testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    testing::write_checkpoint(GetParam().spec, folder_.path());
    checkpoint_.emplace(checkpoint::Checkpoint::open(folder_.path()).value());
    harness_.emplace(*checkpoint_, RunnerOptions{.mode = GetParam().mode});
    Session session = open(*harness_);
    harness_->prefill(session);
    harness_->decode(session, kAnswer);
    expected_ = session.digests();
    output_ = session.output;
  }

  Session open(Harness& harness) const {
    Session session =
        harness.open(random_prompt(1, kPrompt, checkpoint_->config().vocab_size), 2 * kAnswer);
    session.sampling.temperature = 0.8f;
    session.sampling.seed = 5;
    return session;
  }

  // As `harness` runs it, alone.
  void expect_same(Harness& harness, uint32_t chunk) const {
    Session session = open(harness);
    harness.prefill(session, chunk);
    harness.decode(session, kAnswer);
    EXPECT_EQ(session.digests(), expected_);
    EXPECT_EQ(session.output, output_);
  }

  testing::TemporaryFolder folder_;
  std::optional<checkpoint::Checkpoint> checkpoint_;
  std::optional<Harness> harness_;
  std::vector<Digest> expected_;
  std::vector<TokenId> output_;
};

INSTANTIATE_TEST_SUITE_P(Shapes, SameBytes, ::testing::ValuesIn(shapes_and_modes()),
                         [](const auto& info) { return info.param.name; });

TEST_P(SameBytes, ForAnyChunk) {
  for (const uint32_t chunk : {1u, 16u, 64u, 100u}) {
    SCOPED_TRACE(chunk);
    expect_same(*harness_, chunk);
  }
}

TEST_P(SameBytes, ForAnyNumberOfThreads) {
  for (const unsigned threads : {2u, 3u}) {
    Harness harness(*checkpoint_, {.mode = GetParam().mode, .layout = {.threads = threads}});
    expect_same(harness, 64);
  }
}

// Long enough for several blocks, tiles and spans of attention.
TEST_P(SameBytes, OfALongPromptForAnyChunkAndThreads) {
  std::vector<Digest> expected;
  for (const auto& [chunk, threads] : {std::pair{512u, 1u}, {100u, 2u}, {512u, 3u}}) {
    Harness harness(*checkpoint_, {.mode = GetParam().mode, .layout = {.threads = threads}});
    Session session = harness.open(random_prompt(2, 600, checkpoint_->config().vocab_size), 64);
    session.verify_drafts = threads == 2;
    harness.prefill(session, chunk);
    harness.decode(session, 3);
    auto digests = session.digests();
    digests.resize(3);
    if (expected.empty()) expected = digests;
    EXPECT_EQ(digests, expected) << chunk << " " << threads;
  }
}

TEST_P(SameBytes, OnEveryKernelPath) {
  for (unsigned isa = 0; isa < kernels::kIsas; ++isa) {
    if (kernels::kernels_for(static_cast<kernels::Isa>(isa)) == nullptr) continue;
    Harness harness(*checkpoint_, {.mode = GetParam().mode, .isa = isa});
    expect_same(harness, 64);
  }
}

TEST_P(SameBytes, WithDraftsVerified) {
  Session session = open(*harness_);
  session.verify_drafts = true;
  harness_->prefill(session);
  harness_->decode(session, kAnswer);
  auto digests = session.digests();
  digests.resize(kAnswer);
  EXPECT_EQ(digests, expected_);
}

TEST_P(SameBytes, WithRightAndWrongDrafts) {
  for (const uint32_t at_once : {1u, 3u, 5u}) {
    Session session = open(*harness_);
    session.forced = output_;
    for (size_t i = 3; i < session.forced.size(); i += 4) session.forced[i] = 0;
    session.forced_at_once = at_once;
    harness_->prefill(session);
    harness_->decode(session, kAnswer);
    auto digests = session.digests();
    digests.resize(kAnswer);
    EXPECT_EQ(digests, expected_);
  }
}

// A worker that takes over runs the tokens that are known many rows at a time.
TEST_P(SameBytes, WhenKnownTokensAreReplayed) {
  for (const size_t known : {size_t{1}, kAnswer / 2, kAnswer - 1}) {
    Session session = open(*harness_);
    harness_->prefill(session, 64);
    session.output.assign(output_.begin(), output_.begin() + static_cast<ptrdiff_t>(known));
    harness_->decode(session, kAnswer);
    EXPECT_EQ(
        session.digests(),
        std::vector<Digest>(expected_.begin() + static_cast<ptrdiff_t>(known), expected_.end()));
  }
}

// Eight sequences in one step: some fill, some decode, one of them ours.
TEST_P(SameBytes, AloneOrInABatchOfEight) {
  const size_t vocabulary = checkpoint_->config().vocab_size;
  Session ours = open(*harness_);
  std::vector<Session> others;
  for (size_t i = 0; i < 7; ++i) {
    others.push_back(harness_->open(random_prompt(i + 10, 1 + i * 23, vocabulary), 200));
    others.back().verify_drafts = i % 2 == 0;
    others.back().sampling.temperature = i % 3 == 0 ? 0 : 1;
  }
  while (ours.output.size() < kAnswer) {
    std::vector<Session*> step = {&others[0], &others[1], &others[2], &ours,
                                  &others[3], &others[4], &others[5], &others[6]};
    std::vector<SequenceRows> rows;
    for (Session* each : step) {
      const bool fills = each->filled + 1 < each->prompt_tokens();
      rows.push_back(fills ? each->fill(each == &ours ? 29 : 11) : each->decode());
    }
    auto results = harness_->runner().step(rows, harness_->cache(), {});
    for (size_t i = 0; i < step.size(); ++i) {
      if (rows[i].sampling != nullptr) {
        step[i]->was_decoded(rows[i], std::move(results[i]));
      } else {
        step[i]->was_filled(rows[i], results[i]);
      }
    }
  }
  EXPECT_EQ(ours.digests(), expected_);
}

// Entries that one runner filled, read by another: what disaggregation does.
TEST_P(SameBytes, WhenAnotherRunnerFilledTheCache) {
  Harness prefill(*checkpoint_, {.mode = GetParam().mode, .layout = {.threads = 2}});
  Session session = open(prefill);
  prefill.prefill(session, 64);
  Harness decode(*checkpoint_, {.mode = GetParam().mode});
  Session moved = open(decode);
  for (size_t p = 0; p < moved.pages.size(); ++p) {
    for (uint32_t l = 0; l < decode.cache().format().layers; ++l) {
      std::ranges::copy(std::as_const(prefill.cache()).block(session.pages[p], l),
                        decode.cache().block(moved.pages[p], l).begin());
    }
  }
  moved.filled = session.filled;
  decode.decode(moved, kAnswer);
  EXPECT_EQ(moved.digests(), expected_);
}

class OneRunner : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_checkpoint({}, folder_.path());
    checkpoint_.emplace(checkpoint::Checkpoint::open(folder_.path()).value());
    harness_.emplace(*checkpoint_, RunnerOptions{.rows_max = 64, .sequences_max = 4});
  }
  testing::TemporaryFolder folder_;
  std::optional<checkpoint::Checkpoint> checkpoint_;
  std::optional<Harness> harness_;
};

TEST_F(OneRunner, SaysWhichPagesItNeeds) {
  EXPECT_EQ(harness_->runner().page_format(), (kvcache::PageFormat{4, (32 + 6) * 4}));
  EXPECT_TRUE(harness_->runner().has_mtp());
  Harness fast(*checkpoint_, {.mode = "fast", .rows_max = 64, .sequences_max = 4});
  EXPECT_EQ(fast.runner().page_format(), (kvcache::PageFormat{4, (32 + 6) * 2}));
}

// Not before, since whoever makes a runner need not be who runs it.
TEST_F(OneRunner, StaysOnItsProcessorsFromTheFirstStepOn) {
  const unsigned own = processors().back().id;
  std::thread([&] {
    const size_t before = processors().size();
    Harness pinned(*checkpoint_, {.layout = {.threads = 2},
                                  .rows_max = 64,
                                  .sequences_max = 4,
                                  .processors = {own, processors().front().id}});
    EXPECT_EQ(processors().size(), before);
    Session session = pinned.open(random_prompt(1, 20, 96));
    pinned.prefill(session);
    ASSERT_EQ(processors().size(), 1u);
    EXPECT_EQ(processors().front().id, own);
  }).join();
}

TEST_F(OneRunner, StepsWithoutProcessorsThatAreGone) {
  std::thread([&] {
    Harness lost(*checkpoint_, {.layout = {.threads = 2},
                                .rows_max = 64,
                                .sequences_max = 4,
                                .processors = {processors().front().id, CPU_SETSIZE - 1}});
    Session session = lost.open(random_prompt(1, 20, 96));
    lost.prefill(session);
    EXPECT_EQ(session.filled, 19u);
  }).join();
}

TEST_F(OneRunner, TellsEachLayerOnceInOrder) {
  Session session = harness_->open(random_prompt(1, 20, 96));
  const auto rows = session.fill(64);
  std::vector<uint32_t> layers;
  harness_->runner().step(std::span(&rows, 1), harness_->cache(),
                          [&](uint32_t layer) { layers.push_back(layer); });
  EXPECT_EQ(layers, (std::vector<uint32_t>{0, 1, 2, 3}));
}

TEST_F(OneRunner, CountsTheRowsOfExperts) {
  Session session = harness_->open(random_prompt(1, 20, 96));
  harness_->prefill(session);
  std::vector<uint32_t> counts;
  const auto rows = [&](size_t layer) {
    const size_t slots = harness_->network().slots_per_rank();
    const auto of_layer = std::span(counts).subspan(layer * slots, slots);
    return std::accumulate(of_layer.begin(), of_layer.end(), 0u);
  };
  harness_->network().take_slot_tokens(counts);
  EXPECT_EQ(rows(0), 19u * 3) << "of the first layer with experts";
  EXPECT_EQ(rows(2), 0u) << "the MTP layer's experts run for drafts only";
  harness_->decode_step(session);
  harness_->network().take_slot_tokens(counts);
  EXPECT_EQ(rows(2), 3u);
}

TEST_F(OneRunner, ASequenceThatDoesNotDraftGetsNone) {
  Session session = harness_->open(random_prompt(1, 20, 96));
  harness_->prefill(session);
  auto rows = session.decode();
  rows.draft_depth = 0;
  const auto results = harness_->runner().step(std::span(&rows, 1), harness_->cache(), {});
  EXPECT_EQ(results[0].tokens.size(), 1u);
  EXPECT_TRUE(results[0].drafts.empty());
}

TEST_F(OneRunner, ReportsAlternativesOfTheRawDistribution) {
  Session session = harness_->open(random_prompt(1, 20, 96));
  session.report.top_logprobs = 5;
  session.sampling.logit_bias = {{7, 1000.0f}};
  harness_->prefill(session);
  harness_->decode_step(session);
  const SampledToken& sampled = session.sampled[0];
  EXPECT_EQ(sampled.token, 7u);
  ASSERT_EQ(sampled.top.size(), 5u);
  EXPECT_GE(sampled.top[0].logprob, sampled.logprob);
}

Error refusal(const checkpoint::Checkpoint& checkpoint, const RunnerOptions& options) {
  const SystemClock clock;
  parallel::LocalHub hub(1);
  const auto port = hub.port(0);
  const auto runner = TeamRunner::create(
      checkpoint, options, *port, [] {}, clock);
  return runner ? Error{} : runner.error();
}

TEST_F(OneRunner, RefusesAnUnknownModeAMissingPathAndNoThreads) {
  EXPECT_EQ(refusal(*checkpoint_, {.mode = "quick"}).code, ErrorCode::unsupported);
  EXPECT_EQ(refusal(*checkpoint_, {.isa = 99}).code, ErrorCode::unsupported);
  EXPECT_EQ(refusal(*checkpoint_, {.layout = {.threads = 0}}).code, ErrorCode::invalid_argument);
}

TEST_F(OneRunner, RefusesWeightsThatAreNotNumbers) {
  auto tensors = testing::make_tensors({});
  for (auto& tensor : tensors) {
    if (tensor.name == "model.layers.1.mlp.experts.3.up_proj.weight") {
      tensor.bytes.replace(10, 2, "\xff\xff");
    }
  }
  testing::write_tensors(tensors, 2, folder_.path());
  const auto damaged = checkpoint::Checkpoint::open(folder_.path()).value();
  const Error refused = refusal(damaged, {});
  EXPECT_EQ(refused.code, ErrorCode::corrupt);
  EXPECT_NE(refused.message.find("experts.3.up_proj"), std::string::npos);
}

using OneRunnerDeathTest = OneRunner;

TEST_F(OneRunnerDeathTest, MoreRowsThanAgreedStopTheProcess) {
  Session session = harness_->open(random_prompt(1, 100, 96));
  const auto rows = session.fill(65);
  EXPECT_DEATH(harness_->runner().step(std::span(&rows, 1), harness_->cache(), {}), "rows");
}

TEST_F(OneRunnerDeathTest, APositionWithoutAPageStopsTheProcess) {
  Session session = harness_->open(random_prompt(1, 65, 96), 0);
  session.pages.resize(1);
  session.filled = 60;
  const auto rows = session.decode();
  EXPECT_DEATH(harness_->runner().step(std::span(&rows, 1), harness_->cache(), {}), "pages");
}

}  // namespace
}  // namespace baton::model
