#include "model/checkpoint/shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/hash/sha256.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::RawTensor;
using testing::TemporaryFolder;
using Json = nlohmann::json;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// Three tensors in two files: a and c in the first, b in the second.
class Shards : public ::testing::Test {
 protected:
  Shards() { testing::write_tensors(tensors_, 2, dir()); }

  const fs::path& dir() const { return folder_.path(); }
  Json index() const { return Json::parse(testing::read_file(dir() / kIndex)); }
  void write_index(const Json& json) { testing::write_file(dir() / kIndex, json.dump()); }
  std::string refusal() const {
    const auto set = ShardSet::open(dir());
    return set ? "" : set.error().message;
  }

  TemporaryFolder folder_;
  std::vector<RawTensor> tensors_ = {
      {"a", Dtype::u8, {2}, "aa"}, {"b", Dtype::u8, {3}, "bbb"}, {"c", Dtype::u8, {1}, "c"}};
};

TEST_F(Shards, PutsAllFilesUnderOneTable) {
  const auto set = ShardSet::open(dir());
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->files().size(), 2u);
  EXPECT_EQ(set->places().size(), 3u);
  const auto b = set->find("b");
  ASSERT_TRUE(b.has_value());
  EXPECT_EQ(set->path(*b).filename(), kSecond);
  EXPECT_EQ(set->view(*b).data[1], std::byte{'b'});
  EXPECT_FALSE(set->find("d").has_value());
}

TEST_F(Shards, ASingleFileNeedsNoIndex) {
  TemporaryFolder single;
  testing::write_tensors(tensors_, 0, single.path());
  const auto set = ShardSet::open(single.path());
  ASSERT_TRUE(set.has_value()) << set.error().message;
  EXPECT_EQ(set->places().size(), 3u);
}

TEST_F(Shards, AFolderWithoutWeightsIsRefused) {
  TemporaryFolder empty;
  EXPECT_THAT(ShardSet::open(empty.path()).error().message, HasSubstr("holds no weights"));
}

TEST_F(Shards, TotalSizeMayBeAbsentButNotWrong) {
  auto json = index();
  json["metadata"]["total_size"] = 7;
  write_index(json);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(kIndex), HasSubstr("total_size is 7"), HasSubstr("6")));
  for (const Json& metadata : {Json(nullptr), Json::object()}) {
    json["metadata"] = metadata;
    write_index(json);
    EXPECT_EQ(refusal(), "");
  }
  json.erase("metadata");
  write_index(json);
  EXPECT_EQ(refusal(), "");
  json["metadata"] = {{"total_size", -1}};
  write_index(json);
  EXPECT_THAT(refusal(), HasSubstr("total_size"));
}

TEST_F(Shards, TheIndexMustBeOne) {
  for (const char* text : {"", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})"}) {
    testing::write_file(dir() / kIndex, text);
    EXPECT_THAT(refusal(), HasSubstr(kIndex)) << text;
  }
  testing::write_file(dir() / kIndex,
                      fmt::format(R"({{"weight_map":{{"a":"{0}","a":"{0}"}}}})", kFirst));
  EXPECT_THAT(refusal(), HasSubstr("key \"a\" twice"));
}

TEST_F(Shards, FileNamesStayInTheFolder) {
  for (const Json& name : {Json("../x"), Json("/etc/passwd"), Json("sub/x"), Json(".."), Json("."),
                           Json(""), Json("a\\b"), Json(std::string("a\0b", 3)), Json(1)}) {
    auto json = index();
    json["weight_map"]["a"] = name;
    write_index(json);
    EXPECT_THAT(refusal(), AllOf(HasSubstr(kIndex), HasSubstr("tensor a "))) << name;
  }
}

TEST_F(Shards, FilesAndTensorsTheIndexNamesMustBeThere) {
  auto json = index();
  json["weight_map"]["d"] = kFirst;
  write_index(json);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(kFirst), HasSubstr("tensor d is missing")));
  json = index();
  json["weight_map"].erase("d");
  json["weight_map"]["a"] = kSecond;
  write_index(json);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(kSecond), HasSubstr("tensor a is missing")));
  fs::remove(dir() / kSecond);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(kSecond), HasSubstr("does not exist")));
}

TEST_F(Shards, ATensorInTwoFilesIsRefused) {
  const RawTensor again{"a", Dtype::u8, {2}, "aa"};
  testing::write_file(dir() / kSecond, testing::make_safetensors({&tensors_[1], &again}));
  EXPECT_THAT(refusal(),
              AllOf(HasSubstr(kSecond), HasSubstr("tensor a is also in"), HasSubstr(kFirst)));
}

TEST_F(Shards, ALinkMayNotLeaveTheFolder) {
  TemporaryFolder elsewhere;
  fs::rename(dir() / kFirst, elsewhere / "x");
  fs::create_symlink(elsewhere / "x", dir() / kFirst);
  EXPECT_THAT(refusal(), AllOf(HasSubstr(kFirst), HasSubstr("symbolic link")));
}

TEST_F(Shards, ALinkToTheCacheAroundASnapshotIsFollowed) {
  TemporaryFolder cache;
  const fs::path snapshot = cache / "snapshots" / "abc";
  fs::create_directories(snapshot);
  fs::create_directories(cache / "blobs");
  for (const char* name : {kFirst, kSecond}) {
    fs::copy_file(dir() / name, cache / "blobs" / name);
    fs::create_symlink(fs::path("../../blobs") / name, snapshot / name);
  }
  fs::copy_file(dir() / kIndex, snapshot / kIndex);
  const auto set = ShardSet::open(snapshot);
  EXPECT_TRUE(set.has_value()) << set.error().message;
}

TEST_F(Shards, AChangedFileIsNoticed) {
  const auto set = ShardSet::open(dir());
  ASSERT_TRUE(set.has_value());
  EXPECT_TRUE(set->check_unchanged().has_value());
  const auto then = fs::last_write_time(dir() / kSecond);
  fs::last_write_time(dir() / kSecond, then + std::chrono::seconds(5));
  EXPECT_THAT(set->check_unchanged().error().message,
              AllOf(HasSubstr(kSecond), HasSubstr("was changed")));
}

TEST_F(Shards, AManifestOfDigestsIsCompared) {
  const auto check = [&] { return ShardSet::open(dir())->check_manifest(dir()); };
  EXPECT_FALSE(check().value());
  std::string manifest;
  for (const char* name : {kFirst, kSecond}) {
    const std::string bytes = testing::read_file(dir() / name);
    manifest += to_hex(sha256(std::as_bytes(std::span(bytes)))) + "  " + name + "\n";
  }
  testing::write_file(dir() / "SHA256SUMS", manifest);
  EXPECT_TRUE(check().value());
  std::string flipped = testing::read_file(dir() / kSecond);
  flipped.back() ^= 1;
  testing::write_file(dir() / kSecond, flipped);
  EXPECT_THAT(check().error().message, AllOf(HasSubstr(kSecond), HasSubstr("SHA-256")));
  testing::write_file(dir() / "SHA256SUMS", manifest.substr(0, manifest.find('\n') + 1));
  EXPECT_THAT(check().error().message, AllOf(HasSubstr(kSecond), HasSubstr("does not name it")));
  testing::write_file(dir() / "SHA256SUMS", "abc\n");
  EXPECT_THAT(check().error().message, HasSubstr("line 1"));
}

}  // namespace
}  // namespace baton::checkpoint
