#include "model/checkpoint/packed/numeric_mode.h"

#include <gtest/gtest.h>

#include <set>

namespace baton::checkpoint {
namespace {

TEST(NumericMode, EachIsFoundByItsName) {
  std::set<std::string> manifests;
  for (const NumericMode& mode : numeric_modes()) {
    const auto found = find_numeric_mode(mode.name);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, mode.name);
    EXPECT_TRUE(manifests.insert(mode.manifest_name()).second) << "modes are told apart";
    EXPECT_NE(numeric_mode_names().find(mode.name), std::string::npos);
  }
}

TEST(NumericMode, ExactIsTheReferenceAndFastPacks) {
  ModelConfig config;
  config.kv_lora_rank = 512;
  config.qk_rope_head_dim = 64;
  const auto exact = find_numeric_mode("exact").value();
  EXPECT_FALSE(exact.packed());
  EXPECT_EQ(exact.entry_bytes(config), 576u * 4);
  const auto bf16 = find_numeric_mode("bf16").value();
  EXPECT_FALSE(bf16.packed());
  EXPECT_EQ(bf16.entry_bytes(config), 1152u);
  const auto fast = find_numeric_mode("fast").value();
  EXPECT_TRUE(fast.packed());
  EXPECT_EQ(fast.entry_bytes(config), 1152u) << "a latent entry of DeepSeek-V3";
  EXPECT_EQ(find_numeric_mode("fast-kv8")->entry_bytes(config), 656u);
}

TEST(NumericMode, TheTypeOfEntriesChoosesAModeThatSharesItsPackedFile) {
  const auto fp8 = find_numeric_mode("fast", 4, EntryForm::fp8).value();
  EXPECT_EQ(fp8.name, "fast-e4-kv8");
  EXPECT_EQ(fp8.pack_name(), "fast-e4");
  EXPECT_EQ(find_numeric_mode("fast", 0, EntryForm::fp8)->pack_name(), "fast");
  EXPECT_EQ(find_numeric_mode("fast-kv8", 0, EntryForm::bf16)->name, "fast");
  const auto refused = find_numeric_mode("exact", 0, EntryForm::fp8);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "Mode exact has no cache of that type.");
}

TEST(NumericMode, AnotherRevisionIsAnotherModeToItsPeers) {
  NumericMode mode = find_numeric_mode("fast").value();
  EXPECT_EQ(mode.manifest_name(), "fast");
  mode.revision = 2;
  EXPECT_EQ(mode.manifest_name(), "fast-2");
}

TEST(NumericMode, TheBitsOfExpertsChooseAMode) {
  const auto four = find_numeric_mode("fast", 4).value();
  EXPECT_EQ(four.name, "fast-e4");
  EXPECT_EQ(four.weights, WeightForm::int8);
  EXPECT_EQ(four.experts, WeightForm::int4);
  EXPECT_EQ(four.entries, EntryForm::bf16);
  EXPECT_EQ(find_numeric_mode("fast-e4", 8)->name, "fast");
  EXPECT_EQ(find_numeric_mode("fast-e4", 0)->name, "fast-e4");
  EXPECT_EQ(find_numeric_mode("exact", 0)->name, "exact");
  const auto refused = find_numeric_mode("exact", 4);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_FALSE(find_numeric_mode("fast", 5));
}

TEST(NumericMode, AnUnknownOneIsRefusedWithTheOnesThereAre) {
  const auto refused = find_numeric_mode("sloppy");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(refused.error().message.find("exact, bf16, fast, fast-e4, fast-kv8, fast-e4-kv8"),
            std::string::npos);
}

}  // namespace
}  // namespace baton::checkpoint
