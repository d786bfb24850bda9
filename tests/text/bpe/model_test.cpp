#include "model/text/bpe/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/text/bpe/files.h"
#include "tests/text/small_tokenizer.h"

namespace baton::text::bpe {
namespace {

using ::testing::ElementsAre;

Model small_model(void (*change)(nlohmann::json&) = nullptr) {
  auto json = testing::small_tokenizer_json();
  if (change) change(json);
  return std::move(read_tokenizer_json(json, nlohmann::json::object()).value());
}

std::vector<TokenId> plain(const Model& model, std::string_view text) {
  std::vector<TokenId> ids;
  EXPECT_TRUE(model.encode_plain(text, ids));
  return ids;
}

TEST(Model, EncodesPieceByPiece) {
  const auto model = small_model();
  EXPECT_THAT(plain(model, "hello"), ElementsAre(259));
  EXPECT_THAT(plain(model, "hell w"), ElementsAre(258, 260));
  EXPECT_THAT(plain(model, "<s>"), ElementsAre('<', 's', '>'));
}

TEST(Model, WholePiecesSkipTheMergesWhereTheFileSaysSo) {
  // "ell" is a token that no merge makes.
  const auto with = [](nlohmann::json& json) {
    json["model"]["vocab"]["ell"] = 290;
    json["model"]["ignore_merges"] = true;
  };
  EXPECT_THAT(plain(small_model(with), "ell"), ElementsAre(290));
  EXPECT_THAT(plain(small_model(), "ell"), ElementsAre('e', 257));
}

TEST(Model, ASymbolWithoutATokenIsDroppedOrUnknown) {
  const auto drop = [](nlohmann::json& json) { json["model"]["vocab"].erase("z"); };
  EXPECT_THAT(plain(small_model(drop), "azzb"), ElementsAre('a', 'b'));
  const auto unknown = [](nlohmann::json& json) {
    json["model"]["vocab"].erase("z");
    json["model"]["vocab"]["?unk"] = 291;
    json["model"]["unk_token"] = "?unk";
  };
  EXPECT_THAT(plain(small_model(unknown), "azzb"), ElementsAre('a', 291, 291, 'b'));
}

TEST(Model, CharactersFallBackToBytes) {
  const nlohmann::json json = {
      {"decoder",
       {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}}},
      {"model",
       {{"type", "BPE"},
        {"byte_fallback", true},
        {"vocab", {{"a", 0}, {"é", 1}, {"aé", 2}, {"<0xC3>", 3}, {"<0xAB>", 4}}},
        {"merges", nlohmann::json::array({nlohmann::json::array({"a", "é"})})}}}};
  const auto model = std::move(read_tokenizer_json(json, nlohmann::json::object()).value());
  EXPECT_THAT(plain(model, "aéë"), ElementsAre(2, 3, 4));
  EXPECT_EQ(model.vocabulary.bytes(3), "\xC3");
}

}  // namespace
}  // namespace baton::text::bpe
