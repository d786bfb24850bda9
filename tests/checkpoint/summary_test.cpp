#include "model/checkpoint/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "model/checkpoint/packed/packed_layout.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/source_dir.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

using parallel::SharedExpert;
using ::testing::HasSubstr;

Summary published(const std::string& name) {
  const auto path = testing::source_dir() / "tests/checkpoint/data" / name;
  return summarize(parse_config(testing::read_file(path), "", name).value());
}

double billions(size_t count) { return static_cast<double>(count) / 1e9; }

// The figures that the models' publishers give.
TEST(Summary, CountsTheParametersOfPublishedModels) {
  const Summary v3 = published("deepseek-v3.json");
  EXPECT_EQ(v3.main.parameters, 671'026'419'200u);
  EXPECT_NEAR(billions(v3.active_parameters), 36.6, 0.05);
  EXPECT_NEAR(billions(v3.mtp.parameters), 11.6, 0.05);
  EXPECT_NEAR(billions(v3.mtp.parameters + v3.mtp_copies.parameters), 14, 0.6);
  EXPECT_NEAR(billions(v3.main.stored_bytes + v3.mtp.stored_bytes + v3.mtp_copies.stored_bytes),
              688.6, 0.1);

  const Summary v2 = published("deepseek-v2.json");
  EXPECT_NEAR(billions(v2.main.parameters), 236, 0.5);
  EXPECT_NEAR(billions(v2.active_parameters), 21, 0.2);

  const Summary lite = published("deepseek-v2-lite.json");
  EXPECT_EQ(lite.main.stored_bytes, 31'412'968'448u) << "the published total_size";
  EXPECT_NEAR(billions(lite.active_parameters), 2.4, 0.06);

  const Summary kimi = published("kimi-k2.json");
  EXPECT_NEAR(billions(kimi.main.parameters), 1026, 1);
  EXPECT_NEAR(billions(kimi.active_parameters), 32, 0.5);
  EXPECT_EQ(kimi.mtp.parameters, 0u);

  const Summary moonlight = published("moonlight-16b-a3b.json");
  EXPECT_NEAR(billions(moonlight.main.parameters), 16, 0.05);
  EXPECT_NEAR(billions(moonlight.active_parameters) - 0.3355, 2.24, 0.01) << "without the head";
}

TEST(Summary, CacheBytesAreThoseOfTheDesign) {
  const Summary v3 = published("deepseek-v3.json");
  EXPECT_EQ(v3.kv_fast_main_bytes_per_token, 70'272u);
  EXPECT_EQ(v3.kv_fast_bytes_per_token, 62u * 1152);
  EXPECT_EQ(v3.kv_exact_bytes_per_token, 62u * 2304);
}

TEST(Summary, WeightsTakeTheBytesOfTheirMode) {
  const Summary v3 = published("deepseek-v3.json");
  const auto bytes = [&](const char* mode) {
    return static_cast<double>(weight_bytes(v3, find_numeric_mode(mode).value()));
  };
  const auto parameters = [&](TensorKind kind) {
    return static_cast<double>(v3.by_kind.at(std::string(to_string(kind))).parameters);
  };
  const auto stored =
      static_cast<double>(v3.main.stored_bytes + v3.mtp.stored_bytes + v3.mtp_copies.stored_bytes);
  EXPECT_EQ(bytes("exact"), stored);
  // Embeddings and what is small stay in BF16; absorbed keys are there beside kv_b.
  const auto kept = parameters(TensorKind::embedding) + parameters(TensorKind::router) +
                    parameters(TensorKind::norm);
  const auto absorb = 62.0 * 128 * 128 * 512;
  const auto all =
      static_cast<double>(v3.main.parameters + v3.mtp.parameters + v3.mtp_copies.parameters);
  const auto routed = parameters(TensorKind::routed_expert);
  const double fast = 2 * kept + (all - kept + absorb) * 130 / 128;
  EXPECT_NEAR(bytes("fast") / fast, 1, 1e-3);
  EXPECT_NEAR(bytes("fast-e4") / (fast - routed * 60 / 128), 1, 1e-3);
}

// What a process holds: the packed file's panels, and what it reads of the checkpoint itself.
TEST(Summary, PackedBytesAreThoseOfThePackedFileAndOfWhatStaysStored) {
  for (const bool tied : {false, true}) {
    testing::TemporaryFolder folder;
    testing::CheckpointSpec spec;
    spec.config["tie_word_embeddings"] = tied;
    testing::write_checkpoint(spec, folder.path());
    const auto checkpoint = Checkpoint::open(folder.path());
    ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
    const Summary s = summarize(*checkpoint);
    for (const NumericMode& mode : numeric_modes()) {
      if (!mode.packed()) continue;
      const PackedLayout layout(*checkpoint, mode);
      std::set<std::string> sources;
      size_t bytes = 0;
      for (const PackedTensor& tensor : layout.tensors()) {
        bytes += tensor.bytes;
        sources.insert(tensor.source);
      }
      for (const auto& [name, place] : checkpoint->shards().places()) {
        if (sources.contains(std::string(name)) && !name.ends_with("embed_tokens.weight")) continue;
        bytes += place.info->end - place.info->begin;
      }
      EXPECT_EQ(weight_bytes(s, mode), bytes) << mode.name << (tied ? ", tied" : "");
    }
  }
}

TEST(Summary, KindsDtypesAndSplitsEachSumToTheWhole) {
  for (const char* name : {"deepseek-v3.json", "deepseek-v2-lite.json", "kimi-k2.json"}) {
    const Summary s = published(name);
    WeightSize whole = s.main;
    whole += s.mtp;
    whole += s.mtp_copies;
    WeightSize kinds, splits;
    for (const auto& [kind, size] : s.by_kind) kinds += size;
    for (const auto& size : s.by_split) splits += size;
    size_t dtypes = 0;
    for (const auto& [dtype, bytes] : s.bytes_by_dtype) dtypes += bytes;
    EXPECT_EQ(kinds, whole);
    EXPECT_EQ(splits, whole);
    EXPECT_EQ(dtypes, whole.stored_bytes);
  }
}

TEST(Summary, FilesAreCountedAsTheyAre) {
  testing::TemporaryFolder folder;
  testing::CheckpointSpec spec;
  spec.fp8 = true;
  spec.mtp_copies = false;
  testing::write_checkpoint(spec, folder.path());
  const auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const Summary s = summarize(*checkpoint);
  EXPECT_EQ(s.mtp_copies, WeightSize{});
  size_t data_bytes = 0;
  for (const auto& file : checkpoint->shards().files()) data_bytes += file.data_bytes();
  EXPECT_EQ(s.main.stored_bytes + s.mtp.stored_bytes, data_bytes);
  EXPECT_EQ(summarize(checkpoint->config()).main, s.main) << "as the configuration foretells";
}

TEST(Summary, ATiedHeadIsActive) {
  auto json = testing::tiny_v2_config();
  const auto untied = summarize(parse_config(json.dump(), "", "DIR").value());
  json["tie_word_embeddings"] = true;
  const auto tied = summarize(parse_config(json.dump(), "", "DIR").value());
  EXPECT_EQ(tied.active_parameters, untied.active_parameters);
  EXPECT_EQ(tied.main.parameters + 96 * 40, untied.main.parameters);
}

TEST(RankMemory, OneRankHoldsEverything) {
  const Summary s = published("deepseek-v3.json");
  const auto memory = rank_memory(s, {}).value();
  EXPECT_EQ(memory.slots, 256u);
  WeightSize whole = s.main;
  whole += s.mtp;
  whole += s.mtp_copies;
  EXPECT_EQ(memory.total(), whole);
}

TEST(RankMemory, FollowsTheReportsUnits) {
  const Summary s = published("deepseek-v3.json");
  const auto prefill = rank_memory(s, {.tp = 4, .dp = 8, .redundant = 32}).value();
  EXPECT_EQ(prefill.slots, 9u);
  const auto decode =
      rank_memory(s, {.tp = 4, .dp = 80, .redundant = 63, .shared = SharedExpert::routed}).value();
  EXPECT_EQ(decode.slots, 1u);
  EXPECT_EQ(prefill.replicated, decode.replicated);
  EXPECT_EQ(prefill.split, decode.split);
  // One expert through 58 layers and the MTP layer's: 44 million parameters each.
  EXPECT_EQ(decode.experts.parameters, 59u * 3 * 7168 * 2048);
  EXPECT_EQ(prefill.experts.parameters, 10 * decode.experts.parameters) << "and the shared one";
  EXPECT_EQ(rank_memory(s, {.dp = 144, .redundant = 32})->slots, 2u);
}

TEST(RankMemory, TpMustDivideTheHeads) {
  const Summary s = published("moonlight-16b-a3b.json");
  for (const uint32_t tp : {1, 2, 4, 8}) EXPECT_TRUE(rank_memory(s, {.tp = tp}).has_value());
  for (const uint32_t tp : {3, 5, 16}) {
    EXPECT_THAT(rank_memory(s, {.tp = tp}).error().message,
                HasSubstr("can't divide the model's 16 heads"));
  }
}

TEST(RankMemory, ASharedExpertWiderThanARoutedOneDecidesItsRank) {
  const Summary s = published("deepseek-v2-lite.json");
  const auto memory = rank_memory(s, {.dp = 128, .shared = SharedExpert::routed}).value();
  EXPECT_EQ(memory.slots, 1u);
  EXPECT_EQ(memory.experts, s.by_kind.at("shared experts"));
}

}  // namespace
}  // namespace baton::checkpoint
