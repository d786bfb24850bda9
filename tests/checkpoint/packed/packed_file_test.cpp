#include "model/checkpoint/packed/packed_file.h"

#include <gtest/gtest.h>

#include "model/checkpoint/packed/packer.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

using testing::read_file;
using testing::TemporaryFolder;
using testing::write_file;

class Packed : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_checkpoint({}, folder_.path());
    checkpoint_.emplace(Checkpoint::open(folder_.path()).value());
    ThreadPool pool(1);
    path_ = open_packed(*checkpoint_, {mode_, {}}, kernels::best_kernels(), pool).value().path();
    bytes_ = read_file(path_);
  }
  Result<PackedFile> open(const PackedIdentity& identity) const {
    return PackedFile::open(path_, PackedLayout(*checkpoint_, mode_), identity);
  }
  Result<PackedFile> open() const { return open({mode_, checkpoint_->fingerprint()}); }
  std::string refusal(const std::string& bytes) const {
    write_file(path_, bytes);
    const auto file = open();
    return file ? "" : file.error().message;
  }

  const NumericMode mode_ = find_numeric_mode("fast").value();
  TemporaryFolder folder_;
  std::optional<Checkpoint> checkpoint_;
  std::filesystem::path path_;
  std::string bytes_;
};

TEST_F(Packed, EveryTensorIsVerified) {
  const auto file = open().value();
  for (const PackedTensor& tensor : file.layout().tensors()) EXPECT_TRUE(file.verify(tensor));
}

TEST_F(Packed, AFlippedBitIsFoundInItsTensor) {
  const PackedLayout layout(*checkpoint_, mode_);
  const auto& tensors = layout.tensors();
  for (const size_t i : {size_t{0}, tensors.size() / 2, tensors.size() - 1}) {
    auto bytes = bytes_;
    bytes[tensors[i].offset + tensors[i].bytes / 2] ^= 4;
    write_file(path_, bytes);
    const auto file = open().value();
    for (size_t other = 0; other < tensors.size(); ++other) {
      const auto verified = file.verify(file.layout().tensors()[other]);
      EXPECT_EQ(verified.has_value(), other != i);
      if (other == i) {
        EXPECT_EQ(verified.error().code, ErrorCode::corrupt);
        EXPECT_NE(verified.error().message.find(tensors[i].name), std::string::npos);
      }
    }
  }
}

TEST_F(Packed, AnyDamageToTheHeaderIsRefused) {
  const size_t covered = packed_header_bytes(PackedLayout(*checkpoint_, mode_).tensors().size());
  for (size_t at = 0; at < covered; at += at < 96 ? 1 : 61) {
    auto bytes = bytes_;
    bytes[at] ^= 1;
    EXPECT_NE(refusal(bytes), "") << at;
  }
}

TEST_F(Packed, ATruncatedOrLongerFileIsRefused) {
  for (const size_t length :
       {size_t{0}, size_t{1}, size_t{87}, size_t{4096}, bytes_.size() / 2, bytes_.size() - 1}) {
    EXPECT_NE(refusal(bytes_.substr(0, length)), "") << length;
  }
  EXPECT_NE(refusal(bytes_ + "x"), "");
  EXPECT_EQ(refusal(bytes_), "");
}

TEST_F(Packed, AnotherModelsModesOrVersionsFileIsRefusedByName) {
  PackedIdentity other{mode_, checkpoint_->fingerprint()};
  other.fingerprint[0] ^= std::byte{1};
  EXPECT_NE(open(other).error().message.find("another model"), std::string::npos);
  PackedIdentity newer{mode_, checkpoint_->fingerprint()};
  newer.mode.revision = 9;
  EXPECT_NE(open(newer).error().message.find("another version"), std::string::npos);
  PackedIdentity mode{mode_, checkpoint_->fingerprint()};
  mode.mode.experts = WeightForm::int4;
  EXPECT_NE(open(mode).error().message.find("another mode"), std::string::npos);
}

TEST_F(Packed, AMissingFileIsNotFound) {
  std::filesystem::remove(path_);
  EXPECT_EQ(open().error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace baton::checkpoint
