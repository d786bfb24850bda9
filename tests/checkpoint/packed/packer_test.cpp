#include "model/checkpoint/packed/packer.h"

#include <gtest/gtest.h>

#include <thread>

#include "model/checkpoint/dequantize.h"
#include "tests/kernels/slow_int8.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_folder.h"

namespace baton::checkpoint {
namespace {

using testing::CheckpointSpec;
using testing::read_file;
using testing::TemporaryFolder;
using testing::write_file;

const NumericMode kFast = find_numeric_mode("fast").value();

struct Model {
  explicit Model(const CheckpointSpec& spec = {}, const NumericMode& packs = kFast) : mode(packs) {
    testing::write_checkpoint(spec, folder.path());
    checkpoint.emplace(Checkpoint::open(folder.path()).value());
  }
  Result<PackedFile> open(const kernels::Kernels& kernels = kernels::best_kernels(),
                          unsigned threads = 2) const {
    ThreadPool pool(threads);
    return open_packed(*checkpoint, {mode, packed.path()}, kernels, pool);
  }
  Result<PackedFile> replace() const {
    ThreadPool pool(2);
    return replace_packed(*checkpoint, {mode, packed.path()}, kernels::best_kernels(), pool);
  }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(packed.path()), {}));
  }

  NumericMode mode;
  TemporaryFolder folder;
  TemporaryFolder packed;
  std::optional<Checkpoint> checkpoint;
};

// A packed row's values before they are quantised, from the plain reader.
std::vector<float> source_row(const Checkpoint& checkpoint, const PackedTensor& tensor,
                              size_t row) {
  const auto weight = checkpoint.weight(tensor.source).value();
  const auto values = read_all(weight).value();
  const auto& c = checkpoint.config();
  const size_t both = c.qk_nope_head_dim + c.v_head_dim;
  const auto whole_row = [&](size_t r) {
    const auto begin = values.begin() + static_cast<ptrdiff_t>(r * weight.cols);
    return std::vector<float>(begin, begin + static_cast<ptrdiff_t>(weight.cols));
  };
  switch (tensor.part) {
    case PackedPart::keys:
      return whole_row(row / c.qk_nope_head_dim * both + row % c.qk_nope_head_dim);
    case PackedPart::values:
      return whole_row(row / c.v_head_dim * both + c.qk_nope_head_dim + row % c.v_head_dim);
    case PackedPart::absorb: {
      std::vector<float> column;
      for (size_t d = 0; d < c.qk_nope_head_dim; ++d) {
        column.push_back(whole_row(row / c.kv_lora_rank * both + d)[row % c.kv_lora_rank]);
      }
      return column;
    }
    default:
      return whole_row(row);
  }
}

struct PackerCase {
  const char* name;
  bool fp8;
  const char* mode;
};

class PackerOf : public ::testing::TestWithParam<PackerCase> {};

INSTANTIATE_TEST_SUITE_P(Formats, PackerOf,
                         ::testing::Values(PackerCase{"fp8", true, "fast"},
                                           PackerCase{"bf16", false, "fast"},
                                           PackerCase{"bf16_e4", false, "fast-e4"}),
                         [](const auto& info) { return info.param.name; });

TEST_P(PackerOf, QuantisesEveryRowOfEveryTensor) {
  CheckpointSpec spec;
  spec.fp8 = GetParam().fp8;
  spec.config["hidden_size"] = 136;
  spec.config["kv_lora_rank"] = 130;
  const Model model(spec, find_numeric_mode(GetParam().mode).value());
  const auto file = model.open().value();
  for (const PackedTensor& tensor : file.layout().tensors()) {
    const kernels::Panels panels = file.panels(tensor);
    const auto contraction = panels.contraction();
    for (size_t row = 0; row < panels.rows(); row += 1 + panels.rows() / 9) {
      const auto source = source_row(*model.checkpoint, tensor, row);
      ASSERT_EQ(source.size(), panels.cols()) << tensor.name;
      const auto slow =
          kernels::testing::slow_quantize_form(tensor.shape.form, source.data(), contraction);
      std::vector<float> packed(panels.cols());
      unpack_row(panels, row, packed);
      size_t group = 0;
      kernels::testing::each_group(contraction, [&](size_t begin, size_t n) {
        for (size_t i = begin; i < begin + n; ++i) {
          ASSERT_EQ(packed[i], static_cast<float>(slow.codes[i]) * slow.scales[group])
              << tensor.name << " " << row;
        }
        ++group;
      });
    }
  }
}

TEST(Packer, TheSameBytesByAnyPathAndThreads) {
  for (const char* mode : {"fast", "fast-e4"}) {
    const Model model({}, find_numeric_mode(mode).value());
    const auto expected =
        read_file(model.open(*kernels::kernels_for(kernels::Isa::portable), 1).value().path());
    for (const unsigned threads : {1u, 3u}) {
      const auto path = model.open().value().path();
      std::filesystem::remove(path);
      EXPECT_EQ(read_file(model.open(kernels::best_kernels(), threads).value().path()), expected);
    }
  }
}

TEST(Packer, ModesHaveFilesOfTheirOwn) {
  const Model model;
  const auto eight = model.open().value();
  ThreadPool pool(1);
  const auto four =
      open_packed(*model.checkpoint, {find_numeric_mode("fast-e4").value(), model.packed.path()},
                  kernels::best_kernels(), pool);
  ASSERT_TRUE(four);
  EXPECT_NE(four->path(), eight.path());
  std::filesystem::copy_file(eight.path(), four->path(),
                             std::filesystem::copy_options::overwrite_existing);
  const auto refused = PackedFile::open(
      four->path(), PackedLayout(*model.checkpoint, find_numeric_mode("fast-e4").value()),
      {find_numeric_mode("fast-e4").value(), model.checkpoint->fingerprint()});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("another mode"), std::string::npos);
}

TEST(Packer, PacksOnceAndLeavesOneFile) {
  const Model model;
  const auto path = model.open().value().path();
  EXPECT_EQ(path.filename(), packed_file_name(kFast, model.checkpoint->fingerprint()));
  const auto written = std::filesystem::last_write_time(path);
  ASSERT_TRUE(model.open());
  ASSERT_TRUE(model.replace()) << "what is sound stays";
  EXPECT_EQ(std::filesystem::last_write_time(path), written);
  EXPECT_EQ(model.files(), 1u);
}

TEST(Packer, WithoutAFolderThePackedFileLiesWithTheModel) {
  const Model model;
  ThreadPool pool(1);
  const auto file = open_packed(*model.checkpoint, {kFast, {}}, kernels::best_kernels(), pool);
  EXPECT_EQ(file.value().path().parent_path(), model.folder.path());
  EXPECT_TRUE(Checkpoint::open(model.folder.path())) << "and the folder is still a model";
}

TEST(Packer, ManyAtOnceShareOneFile) {
  const Model model;
  std::vector<std::thread> daemons;
  std::atomic<int> opened = 0;
  for (int i = 0; i < 4; ++i) {
    daemons.emplace_back([&] {
      if (model.open(kernels::best_kernels(), 1)) ++opened;
    });
  }
  for (auto& daemon : daemons) daemon.join();
  EXPECT_EQ(opened, 4);
  EXPECT_EQ(model.files(), 1u);
}

TEST(Packer, WhatIsTruncatedDamagedOrForeignIsPackedAnew) {
  const Model model;
  const auto path = model.open().value().path();
  const auto sound = read_file(path);
  auto flipped = sound;
  flipped[sound.size() - 100] ^= 1;
  for (const std::string& bytes :
       {sound.substr(0, sound.size() / 2), std::string("something else"), std::string()}) {
    write_file(path, bytes);
    ASSERT_TRUE(model.open());
    EXPECT_EQ(read_file(path), sound);
  }
  write_file(path, flipped);
  ASSERT_TRUE(model.open()) << "seen only by whoever verifies the tensor";
  ASSERT_TRUE(model.replace());
  EXPECT_EQ(read_file(path), sound);
}

TEST(Packer, WhoeverHasTheOldFileMappedKeepsIt) {
  const Model model;
  const auto old = model.open().value();
  const auto path = old.path();
  auto bytes = read_file(path);
  std::filesystem::remove(path);
  bytes[5000] ^= 1;
  write_file(path, bytes);
  ASSERT_TRUE(model.replace());
  for (const PackedTensor& tensor : old.layout().tensors()) EXPECT_TRUE(old.verify(tensor));
}

TEST(Packer, AWeightThatIsNoNumberIsRefusedByName) {
  const Model model;
  auto tensors = testing::make_tensors({});
  for (auto& tensor : tensors) {
    if (tensor.name == "model.layers.1.mlp.experts.3.up_proj.weight") {
      tensor.bytes.replace(10, 2, "\xff\xff");
    }
  }
  testing::write_tensors(tensors, 2, model.folder.path());
  const auto damaged = Checkpoint::open(model.folder.path()).value();
  ThreadPool pool(2);
  const auto refused =
      open_packed(damaged, {kFast, model.packed.path()}, kernels::best_kernels(), pool);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("experts.3.up_proj"), std::string::npos);
  EXPECT_EQ(model.files(), 0u) << "and nothing is left behind";
}

TEST(Packer, AFolderThatCantBeWrittenNamesTheOption) {
  const Model model;
  ThreadPool pool(1);
  const auto refused = open_packed(*model.checkpoint, {kFast, model.folder.path() / "config.json"},
                                   kernels::best_kernels(), pool);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("config.json"), std::string::npos);
}

}  // namespace
}  // namespace baton::checkpoint
