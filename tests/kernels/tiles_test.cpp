#include "model/kernels/tiles/tiles.h"

#include <bit>

#include "tests/kernels/tile_cases.h"

namespace baton::kernels {
namespace {

using namespace testing;

class TilePath : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& k = *GetParam();
};

INSTANTIATE_TEST_SUITE_P(Paths, TilePath, ::testing::ValuesIn(paths()),
                         [](const auto& info) { return std::string(to_string(info.param->isa)); });

TEST_P(TilePath, ProductsAreOneChainAnOutput) { expect_block_products(k); }

TEST_P(TilePath, CachedEntriesAreMultipliedAsTheyLie) {
  expect_entry_products(k, 64, 576, 512);
  expect_entry_products(k, 64, 200, 192);
  for (const size_t count : {1, 15, 16, 17, 63}) expect_entry_products(k, count, 40, 33);
  expect_entry_products(k, 64, 576, 512, 512);
  expect_entry_products(k, 17, 210, 200, 200);
}

TEST_P(TilePath, SoftmaxRunsLaneByLane) {
  for (const size_t count : {1, 3, 63, 64}) {
    for (const size_t lanes : {16, 32}) expect_tile_softmax(k, count, lanes);
  }
}

TEST_P(TilePath, PartsAreMerged) { expect_merged_tiles(k); }

TEST_P(TilePath, TilesAreTurnedThereAndBack) { expect_turned_tiles(k); }

TEST_P(TilePath, Bf16IsRoundedToNearestEven) { expect_bf16_rounding(k); }

TEST_P(TilePath, Fp8IsRoundedToNearestEvenByGroups) { expect_fp8_rounding(k); }

}  // namespace
}  // namespace baton::kernels
