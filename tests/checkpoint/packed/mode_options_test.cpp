#include "model/checkpoint/packed/mode_options.h"

#include <gtest/gtest.h>

namespace baton::checkpoint {
namespace {

// The mode that these flags come to; "refused" if they are.
std::string mode_of(std::vector<std::string> flags,
                    void (*add)(CLI::App&, std::string&) = add_mode_options) {
  CLI::App app;
  std::string mode = "exact";
  add(app, mode);
  std::ranges::reverse(flags);  // as CLI wants them
  try {
    app.parse(flags);
  } catch (const CLI::ParseError&) {
    return "refused";
  }
  return mode;
}

TEST(ModeOptions, NameAMode) {
  EXPECT_EQ(mode_of({}), "exact");
  EXPECT_EQ(mode_of({"--mode", "fast"}), "fast");
  EXPECT_EQ(mode_of({"--mode", "fast-e4"}), "fast-e4");
}

TEST(ModeOptions, BitsChooseAmongModesInAnyOrder) {
  EXPECT_EQ(mode_of({"--mode", "fast", "--expert-bits", "4"}), "fast-e4");
  EXPECT_EQ(mode_of({"--expert-bits", "4", "--mode", "fast"}), "fast-e4");
  EXPECT_EQ(mode_of({"--mode", "fast-e4", "--expert-bits", "8"}), "fast");
  EXPECT_EQ(mode_of({"--mode", "fast", "--expert-bits", "8"}), "fast");
}

TEST(ModeOptions, TheCacheTypeChoosesAmongModes) {
  EXPECT_EQ(mode_of({"--mode", "fast", "--kv-cache-dtype", "fp8"}), "fast-kv8");
  EXPECT_EQ(mode_of({"--kv-cache-dtype", "fp8_e4m3", "--expert-bits", "4", "--mode", "fast"}),
            "fast-e4-kv8");
  EXPECT_EQ(mode_of({"--mode", "fast-kv8", "--kv-cache-dtype", "bf16"}), "fast");
  EXPECT_EQ(mode_of({"--mode", "fast-kv8", "--expert-bits", "4"}), "fast-e4-kv8");
  EXPECT_EQ(mode_of({"--mode", "fast-kv8", "--kv-cache-dtype", "auto"}), "fast-kv8");
  EXPECT_EQ(mode_of({"--mode", "bf16", "--kv-cache-dtype", "bf16"}), "bf16");
  EXPECT_EQ(mode_of({"--kv-cache-dtype", "fp8"}), "refused") << "exact has float32 entries";
  EXPECT_EQ(mode_of({"--mode", "fast", "--kv-cache-dtype", "int4"}), "refused");
}

TEST(ModeOptions, WhatThereIsNotIsRefused) {
  EXPECT_EQ(mode_of({"--mode", "sloppy"}), "refused");
  EXPECT_EQ(mode_of({"--expert-bits", "4"}), "refused") << "exact has its experts as stored";
  EXPECT_EQ(mode_of({"--mode", "fast", "--expert-bits", "3"}), "refused");
}

TEST(ModeOptions, ADaemonTakesItsModeByNameAlone) {
  EXPECT_EQ(mode_of({"--mode", "fast-e4"}, add_mode_option), "fast-e4");
  EXPECT_EQ(mode_of({"--mode", "sloppy"}, add_mode_option), "refused");
  EXPECT_EQ(mode_of({"--mode", "fast", "--expert-bits", "4"}, add_mode_option), "refused");
}

}  // namespace
}  // namespace baton::checkpoint
