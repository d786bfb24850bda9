#include "server/loaded_model.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/shared_data.h"

namespace baton::server {
namespace {

TEST(LoadedModel, a_model_is_named_after_its_folder) {
  EXPECT_EQ(name_of("/models/v3-nano"), "v3-nano");
  EXPECT_EQ(name_of("/models/v3-nano/"), "v3-nano");
}

TEST(LoadedModel, generation_defaults_are_taken_over) {
  checkpoint::SamplingDefaults defaults;
  defaults.temperature = 0.6;
  defaults.top_p = 0.95;
  defaults.top_k = 20;
  EXPECT_EQ(default_sampling(defaults).temperature, 0.6f);
  EXPECT_EQ(default_sampling(defaults).top_p, 0.95f);
  EXPECT_EQ(default_sampling(defaults).top_k, 20u);
  defaults.do_sample = false;
  EXPECT_EQ(default_sampling(defaults).temperature, 0);
}

TEST(LoadedModel, an_absent_folder_is_refused_by_name) {
  const auto model = LoadedModel::load({"/nowhere/at-all", "", 0, 0});
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("/nowhere/at-all"), std::string::npos);
}

TEST(LoadedModel, reads_a_checkpoints_text_side) {
  BATON_NEED_SHARED(path, "golden/v3-nano");
  const auto model = LoadedModel::load({path, "", 0, 5});
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->facts().name, "v3-nano");
  const auto ids = (*model)->encode("Hello", false);
  ASSERT_TRUE(ids);
  EXPECT_EQ((*model)->decode(*ids, false), "Hello");
  std::string bytes;
  for (const TokenId id : *ids) bytes += (*model)->token_bytes(id);
  EXPECT_EQ(bytes, "Hello");
}

TEST(LoadedModel, the_length_can_be_lowered_but_not_raised) {
  BATON_NEED_SHARED(path, "golden/v3-nano");
  EXPECT_EQ((*LoadedModel::load({path, "mine", 32, 5}))->facts().max_model_len, 32u);
  EXPECT_FALSE(LoadedModel::load({path, "mine", 1'000'000'000, 5}));
}

}  // namespace
}  // namespace baton::server
