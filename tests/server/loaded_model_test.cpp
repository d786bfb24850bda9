#include "server/loaded_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/shared_data.h"
#include "tests/support/temporary_folder.h"

namespace baton::server {
namespace {

ModelOptions folder(const std::filesystem::path& directory) {
  ModelOptions options;
  options.directory = directory;
  return options;
}

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
  const auto model = LoadedModel::load(folder("/nowhere/at-all"));
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("/nowhere/at-all"), std::string::npos);
}

TEST(LoadedModel, reads_a_checkpoints_text_side) {
  BATON_NEED_SHARED(path, "golden/v3-nano");
  const auto model = LoadedModel::load(folder(path));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->facts().name, "v3-nano");
  const auto ids = (*model)->encode("Hello", false);
  ASSERT_TRUE(ids);
  EXPECT_EQ((*model)->decode(*ids, false), "Hello");
  std::string bytes;
  for (const TokenId id : *ids) bytes += (*model)->token_bytes(id);
  EXPECT_EQ(bytes, "Hello");
}

TEST(LoadedModel, has_a_fingerprint_of_its_configuration) {
  const auto model = LoadedModel::load(folder(testing::source_dir() / "model/demo"));
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->facts().fingerprint.size(), 15u);
  EXPECT_TRUE((*model)->facts().fingerprint.starts_with("fp_"));
}

TEST(LoadedModel, the_length_can_be_lowered_but_not_raised) {
  BATON_NEED_SHARED(path, "golden/v3-nano");
  ModelOptions options = folder(path);
  options.max_model_len = 32;
  EXPECT_EQ((*LoadedModel::load(options))->facts().max_model_len, 32u);
  options.max_model_len = 1'000'000'000;
  EXPECT_FALSE(LoadedModel::load(options));
}

TEST(LoadedModel, knows_the_tokens_that_structure_an_answer) {
  const auto model = LoadedModel::load(folder(testing::source_dir() / "model/demo"));
  ASSERT_TRUE(model) << model.error().message;
  const api::SpecialTokens& special = (*model)->facts().special;
  EXPECT_TRUE(special.can_think() && special.can_call() && special.can_fill());
  EXPECT_EQ((*model)->token_bytes(*special.think_end), "</think>");
  EXPECT_EQ((*model)->token_bytes(*special.tool_sep), "<｜tool▁sep｜>");
  const auto ids =
      (*model)->encode(text::RenderedPrompt{{{"<｜tool▁sep｜>", true}, {"<｜tool▁sep｜>", false}}});
  EXPECT_EQ(ids->front(), *special.tool_sep);
  EXPECT_EQ(std::count(ids->begin(), ids->end(), *special.tool_sep), 1);
}

TEST(LoadedModel, takes_the_operators_chat_template_instead_of_its_own) {
  const testing::TemporaryFolder temporary;
  ModelOptions options = folder(testing::source_dir() / "model/demo");
  options.chat_template = temporary / "mine.jinja";
  EXPECT_FALSE(LoadedModel::load(options)) << "the file is absent";
  std::ofstream(options.chat_template) << "{{ bos_token }}{{ messages[0].content }}!";
  const auto model = LoadedModel::load(options);
  ASSERT_TRUE(model) << model.error().message;
  const api::Json messages = api::Json::array({{{"role", "user"}, {"content", "hi"}}});
  const api::Json none;
  const auto ids = (*model)->encode_chat({messages, none, none, false});
  EXPECT_EQ((*model)->decode(*ids, true), "hi!");
}

}  // namespace
}  // namespace baton::server
