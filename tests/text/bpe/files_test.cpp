#include "model/text/bpe/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/text/small_tokenizer.h"

namespace baton::text::bpe {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Folder {
 public:
  Folder() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    path_ = std::filesystem::path(::testing::TempDir()) /
            (std::string("baton_") + info->test_suite_name() + "_" + info->name());
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const char* name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string refusal(const json& tokenizer, const json& config = json::object()) {
  const auto result = read_tokenizer_json(tokenizer, config);
  return result ? "" : result.error().message;
}

TEST(Files, AFolderWithoutATokenizerIsNamed) {
  const Folder folder;
  const auto result = load_model(folder.path());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::not_found);
  EXPECT_THAT(result.error().message, HasSubstr(folder.path().string()));
}

TEST(Files, BrokenFilesGetOneSentence) {
  const Folder folder;
  folder.write("tokenizer.json", "{\"model\": ");
  EXPECT_THAT(load_model(folder.path()).error().message, HasSubstr("is not a JSON object"));
  folder.write("tokenizer.json", "[]");
  EXPECT_FALSE(load_model(folder.path()));
  EXPECT_FALSE(read_file(folder.path(), 10));
  EXPECT_FALSE(read_file(folder.path() / "tokenizer.json", 1));
}

TEST(Files, LoadsWhatItReads) {
  const Folder folder;
  folder.write("tokenizer.json", testing::small_tokenizer_json().dump());
  folder.write("tokenizer_config.json",
               R"({"bos_token": {"content": "<s>"}, "eos_token": null, "add_bos_token": true})");
  const auto model = load_model(folder.path());
  ASSERT_TRUE(model);
  EXPECT_EQ(model->bos, 300u);
  EXPECT_FALSE(model->eos);
  EXPECT_TRUE(model->adds_bos);
}

TEST(Files, WhatTheModelAsksForAndThisCantDoIsRefused) {
  const auto with = [](const char* key, const json& value) {
    auto tokenizer = testing::small_tokenizer_json();
    tokenizer[json::json_pointer(key)] = value;
    return refusal(tokenizer);
  };
  EXPECT_EQ(refusal(testing::small_tokenizer_json()), "");
  EXPECT_EQ(with("/normalizer", {{"type", "Sequence"}, {"normalizers", json::array()}}), "");
  EXPECT_NE(with("/normalizer", {{"type", "NFC"}}), "");
  EXPECT_NE(with("/model/type", "Unigram"), "");
  EXPECT_NE(with("/model/dropout", 0.1), "");
  EXPECT_NE(with("/model/end_of_word_suffix", "</w>"), "");
  EXPECT_NE(with("/model/unk_token", "nope"), "");
  EXPECT_NE(with("/model/merges/0", "zz zz"), "");
  EXPECT_NE(with("/model/merges/0", "abc"), "");
  EXPECT_NE(with("/model/merges", "abc"), "");
  EXPECT_NE(with("/model/vocab", json::array()), "");
  EXPECT_NE(with("/model/vocab/a", -1), "");
  EXPECT_NE(with("/model/vocab/a", 98), "");  // the id of b
  EXPECT_NE(with("/decoder", {{"type", "WordPiece"}}), "");
  EXPECT_NE(with("/added_tokens/0/id", "x"), "");
  EXPECT_NE(with("/added_tokens/0/id", 301), "");
  EXPECT_NE(with("/added_tokens", 7), "");
}

TEST(Files, ABeginningTokenThatIsNoneIsRefused) {
  EXPECT_THAT(refusal(testing::small_tokenizer_json(), {{"bos_token", "<nope>"}}),
              HasSubstr("bos_token"));
}

TEST(Files, APostProcessorMayAddTheBeginning) {
  auto tokenizer = testing::small_tokenizer_json();
  tokenizer["post_processor"] = {{"type", "TemplateProcessing"},
                                 {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}}}};
  EXPECT_TRUE(read_tokenizer_json(tokenizer, {{"bos_token", "<s>"}})->adds_bos);
  EXPECT_FALSE(
      read_tokenizer_json(tokenizer, {{"bos_token", "<s>"}, {"add_bos_token", false}})->adds_bos);
}

// All bytes as ranks 0..255, then "he", "ll", "hell", "hello", " w".
std::string small_ranks() {
  static constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string ranks;
  for (unsigned byte = 0; byte < 256; ++byte) {
    ranks += {letters[byte >> 2], letters[(byte & 3) << 4], '=', '='};
    ranks += " " + std::to_string(byte) + "\n";
  }
  return ranks + "aGU= 256\nbGw= 257\naGVsbA== 258\naGVsbG8= 259\nIHc= 260\n";
}

TEST(Tiktoken, EncodesByRankWithTheSplitOfKimi) {
  const json config = {{"bos_token", "[BOS]"},
                       {"added_tokens_decoder",
                        {{"261", {{"content", "[BOS]"}, {"special", true}}},
                         {"263", {{"content", "<|im_user|>"}, {"special", false}}}}}};
  const auto tokenizer = std::move(Tokenizer::from_tiktoken(small_ranks(), config).value());
  EXPECT_EQ(tokenizer.encode("hello w", SpecialText::as_token).value(),
            (std::vector<TokenId>{259, 260}));
  EXPECT_EQ(tokenizer.encode("[BOS]<|im_user|>hell", SpecialText::as_token).value(),
            (std::vector<TokenId>{261, 263, 258}));
  EXPECT_EQ(tokenizer.encode("[BOS]", SpecialText::as_text).value().size(), 5u);
  EXPECT_EQ(tokenizer.bos(), 261u);
  EXPECT_TRUE(tokenizer.is_special(261));
  EXPECT_FALSE(tokenizer.is_special(263));
  EXPECT_EQ(tokenizer.vocab_size(), 261u + 256);
  EXPECT_EQ(tokenizer.token_bytes(262), "<|reserved_token_262|>");
  EXPECT_EQ(tokenizer.decode(std::vector<TokenId>{261, 263, 259}, true), "<|im_user|>hello");
}

TEST(Tiktoken, RefusesBrokenRanks) {
  for (const std::string& line :
       {std::string("aGU=\n"), std::string("a 256\n"), std::string("aGU= x\n"),
        std::string("aGU= 0\n"), std::string("YQ== 256\n"), std::string("aGU= 256 7\n"),
        std::string("a*U= 256\n")}) {
    auto ranks = small_ranks();
    ranks.resize(ranks.find("aGU="));
    EXPECT_FALSE(read_tiktoken(ranks + line, json::object())) << line;
  }
  EXPECT_FALSE(read_tiktoken("YQ== 0\n", json::object()));  // bytes without a token
}

}  // namespace
}  // namespace baton::text::bpe
