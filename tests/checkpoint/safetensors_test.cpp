#include "model/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

using ::testing::AllOf;
using testing::frame_safetensors;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

Result<SafetensorsHeader> parse(std::string_view file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "w.safetensors");
}

// The sentence that refuses a file of this header and `data_bytes` of data, or "".
std::string refusal(std::string_view header, size_t data_bytes) {
  const auto parsed = parse(frame_safetensors(header, std::string(data_bytes, 'x')));
  return parsed ? "" : parsed.error().message;
}

// A header of one tensor "t" with the given parts as JSON text.
std::string one(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"t":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape,
                     offsets);
}

TEST(Safetensors, FindsTensorsByNameWhateverTheirOrderAndAlignment) {
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[3,7]},)"
                             R"("empty":{"dtype":"BF16","shape":[0,4],"data_offsets":[3,3]},)"
                             R"("a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}   )";
  TemporaryFolder folder;
  testing::write_file(folder / "w.safetensors", frame_safetensors(header, "abcdefg"));
  const auto file = Safetensors::open(folder / "w.safetensors");
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_EQ(file->tensors().size(), 3u);
  EXPECT_EQ(file->data_bytes(), 7u);
  const auto a = file->find("a");
  ASSERT_TRUE(a.has_value());
  EXPECT_EQ(a->dtype, Dtype::u8);
  EXPECT_EQ(a->data[2], std::byte{'c'});
  EXPECT_EQ(file->find("b")->data[0], std::byte{'d'});
  EXPECT_EQ(file->find("empty")->data.size(), 0u);
  EXPECT_FALSE(file->find("c").has_value());
  EXPECT_FALSE(file->find("__metadata__").has_value());
}

TEST(Safetensors, AScalarHasAnEmptyShape) {
  EXPECT_EQ(refusal(one("\"F32\"", "[]", "[0,4]"), 4), "");
}

TEST(Safetensors, KnowsItsDtypes) {
  for (const char* name : {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "U16", "I16", "F16",
                           "BF16", "U32", "I32", "F32", "U64", "I64", "F64"}) {
    const auto dtype = dtype_from(name);
    ASSERT_TRUE(dtype.has_value()) << name;
    EXPECT_EQ(to_string(*dtype), name);
    const size_t bytes = dtype_bytes(*dtype);
    EXPECT_EQ(refusal(one(fmt::format("\"{}\"", name), "[1]", fmt::format("[0,{}]", bytes)), bytes),
              "");
  }
  EXPECT_FALSE(dtype_from("F4").has_value());
}

TEST(Safetensors, RefusesAFrameThatCantBe) {
  EXPECT_THAT(parse("").error().message, HasSubstr("too few"));
  EXPECT_THAT(parse("\2\0\0\0\0\0\0").error().message, HasSubstr("w.safetensors"));
  EXPECT_THAT(parse(std::string(8, '\xff') + "{}").error().message, HasSubstr("over the limit"));
  EXPECT_THAT(parse(std::string("\3\0\0\0\0\0\0\0{}", 10)).error().message,
              HasSubstr("past the end"));
  EXPECT_THAT(parse(frame_safetensors("", "xx")).error().message, HasSubstr("start with '{'"));
  EXPECT_THAT(parse(frame_safetensors(" {}", "")).error().message, HasSubstr("start with '{'"));
  EXPECT_TRUE(parse(frame_safetensors("{}", "")).has_value());
}

TEST(Safetensors, RefusesAHeaderOverTheLimit) {
  std::string file = frame_safetensors("{}", "");
  const uint64_t length = kHeaderBytesMax + 1;
  std::memcpy(file.data(), &length, sizeof(length));
  file.resize(8 + length, ' ');
  EXPECT_THAT(parse(file).error().message, HasSubstr("over the limit of 100000000"));
}

TEST(Safetensors, RefusesAHeaderThatIsNotStrictJson) {
  EXPECT_THAT(refusal("{\"t\":", 0),
              AllOf(HasSubstr("w.safetensors"), HasSubstr("not valid JSON")));
  EXPECT_THAT(refusal("{\"\xff\":1}", 0), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(refusal("{}x", 0), HasSubstr("not valid JSON"));
  const std::string entry = R"("t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_THAT(refusal("{" + entry + "," + entry + "}", 1), HasSubstr("key \"t\" twice"));
  EXPECT_THAT(refusal(R"({"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
              HasSubstr("key \"dtype\" twice"));
  EXPECT_THAT(refusal(R"({"t":{"dtype":"U8","shape":[[[1]]],"data_offsets":[0,1]}})", 1),
              HasSubstr("nested deeper"));
}

TEST(Safetensors, MetadataMapsStringsToStrings) {
  EXPECT_EQ(refusal(R"({"__metadata__":{}})", 0), "");
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":1}})", 0), HasSubstr("__metadata__"));
  EXPECT_THAT(refusal(R"({"__metadata__":["a"]})", 0), HasSubstr("__metadata__"));
  EXPECT_THAT(refusal(R"({"__metadata__":"a"})", 0), HasSubstr("__metadata__"));
}

TEST(Safetensors, EveryRefusalOfAnEntryNamesTheTensor) {
  const std::vector<std::pair<std::string, size_t>> cases = {
      {R"({"t":1})", 0},
      {R"({"t":{}})", 0},
      {R"({"t":{"dtype":"U8","shape":[1]}})", 1},
      {R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1},
      {one("\"F4\"", "[2]", "[0,1]"), 1},
      {one("7", "[2]", "[0,1]"), 1},
      {one("\"U8\"", "1", "[0,1]"), 1},
      {one("\"U8\"", "[-1]", "[0,1]"), 1},
      {one("\"U8\"", "[1.0]", "[0,1]"), 1},
      {one("\"U8\"", "[\"1\"]", "[0,1]"), 1},
      {one("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1},
      {one("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0},
      {one("\"F64\"", "[2305843009213693952]", "[0,0]"), 0},
      {one("\"U8\"", "[99999999999999999999999]", "[0,1]"), 1},
      {one("\"U8\"", "[1]", "[0]"), 1},
      {one("\"U8\"", "[1]", "[0,1,2]"), 1},
      {one("\"U8\"", "[1]", "{\"0\":1}"), 1},
      {one("\"U8\"", "[1]", "[-1,0]"), 1},
      {one("\"U8\"", "[1]", "[0,\"1\"]"), 1},
      {one("\"U8\"", "[1]", "[1,0]"), 1},
      {one("\"U8\"", "[2]", "[0,2]"), 1},
      {one("\"U8\"", "[1]", "[18446744073709551614,18446744073709551615]"), 1},
      {one("\"U8\"", "[2]", "[0,1]"), 1},
      {one("\"BF16\"", "[2]", "[0,2]"), 2},
      {one("\"U8\"", "[1]", "[1,2]"), 2},
  };
  for (const auto& [header, bytes] : cases) {
    EXPECT_THAT(refusal(header, bytes), AllOf(HasSubstr("w.safetensors"), HasSubstr("tensor t ")))
        << header;
  }
}

TEST(Safetensors, RangesTileTheData) {
  const auto two = [](std::string_view a, std::string_view b) {
    constexpr auto kEntry = R"("{}":{{"dtype":"U8","shape":[2],"data_offsets":{}}})";
    return "{" + fmt::format(kEntry, "a", a) + "," + fmt::format(kEntry, "b", b) + "}";
  };
  EXPECT_EQ(refusal(two("[0,2]", "[2,4]"), 4), "");
  EXPECT_EQ(refusal(two("[2,4]", "[0,2]"), 4), "");
  EXPECT_THAT(refusal(two("[0,2]", "[1,3]"), 3), HasSubstr("tensor b starts at byte 1"));
  EXPECT_THAT(refusal(two("[0,2]", "[0,2]"), 2), HasSubstr("tensor b"));
  EXPECT_THAT(refusal(two("[0,2]", "[3,5]"), 5), HasSubstr("tensor b"));
  EXPECT_THAT(refusal(two("[0,2]", "[2,4]"), 5), HasSubstr("1 bytes after the last tensor"));
  EXPECT_THAT(refusal("{}", 1), HasSubstr("belong to none"));
}

TEST(Safetensors, NoPrefixOfAFileIsAFile) {
  testing::RawTensor a{"a", Dtype::bf16, {3, 2}, std::string(12, 'x')};
  testing::RawTensor b{"b", Dtype::f32, {2}, std::string(8, 'y')};
  const std::string file = testing::make_safetensors({&a, &b});
  ASSERT_TRUE(parse(file).has_value());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(parse(std::string_view(file).substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(parse(file + "x").has_value());
}

TEST(Safetensors, AChangedHeaderByteNeverReachesOutsideTheFile) {
  testing::RawTensor a{"a", Dtype::bf16, {3, 2}, std::string(12, 'x')};
  testing::RawTensor b{"b", Dtype::f32, {2}, std::string(8, 'y')};
  const std::string file = testing::make_safetensors({&a, &b});
  const size_t header_end = file.size() - 20;
  for (size_t at = 0; at < header_end; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = file;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      const auto parsed = parse(changed);
      if (!parsed) continue;
      for (const auto& [name, info] : parsed->tensors) {
        EXPECT_LE(parsed->data_begin + info.end, changed.size());
      }
    }
  }
}

TEST(Safetensors, OpenNamesTheFile) {
  TemporaryFolder folder;
  EXPECT_EQ(Safetensors::open(folder / "none").error().code, ErrorCode::not_found);
  testing::write_file(folder / "empty", "");
  EXPECT_THAT(Safetensors::open(folder / "empty").error().message,
              AllOf(HasSubstr("empty"), HasSubstr("too short")));
  EXPECT_THAT(Safetensors::open(folder.path()).error().message, HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace baton::checkpoint
