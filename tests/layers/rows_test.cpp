#include "model/layers/rows.h"

#include <gmock/gmock.h>

#include "tests/layers/fixture.h"

namespace baton::layers {
namespace {

using ::testing::ElementsAre;

class Rows : public ::testing::Test {
 protected:
  static checkpoint::ModelConfig config() {
    checkpoint::ModelConfig c;
    c.qk_rope_head_dim = 4;
    return c;
  }
  Rope rope_{config()};
  RowPlan plan_{rope_, 32};
  std::vector<PageId> pages_ = testing::some_pages(3);
};

TEST_F(Rows, ARunEndsBeforeThePromptsLastPosition) {
  plan_.add(pages_, 10, 5, 8);  // positions 5..12 of a prompt of 10 tokens
  ASSERT_EQ(plan_.runs().size(), 2u);
  EXPECT_EQ(plan_.runs()[0].form, Form::prefill);
  EXPECT_EQ(plan_.runs()[0].count, 4u);
  EXPECT_EQ(plan_.runs()[1].form, Form::decode);
  EXPECT_EQ(plan_.runs()[1].first, 9u);
  EXPECT_EQ(plan_.runs()[1].row, 4u);
  EXPECT_THAT(plan_.decode_rows(), ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(plan_.position(7), 12u);
}

TEST_F(Rows, SequencesFollowOneAnother) {
  plan_.add(pages_, 1, 0, 2);
  plan_.add(std::span(pages_).first(1), 9, 2, 3);
  EXPECT_EQ(plan_.rows(), 5u);
  EXPECT_EQ(plan_.run_of(1).form, Form::decode);
  EXPECT_EQ(plan_.run_of(2).form, Form::prefill);
  EXPECT_EQ(plan_.run_of(2).pages.size(), 1u);
  plan_.clear();
  EXPECT_EQ(plan_.rows(), 0u);
  EXPECT_TRUE(plan_.runs().empty());
}

TEST_F(Rows, HoldTheirPositionsAngles) {
  plan_.add(pages_, 1, 0, 1);
  plan_.add(pages_, 1, 77, 1);
  std::vector<float> cos(2);
  std::vector<float> sin(2);
  rope_.angles(77, cos, sin);
  EXPECT_THAT(plan_.cos(1), ::testing::ElementsAreArray(cos));
  EXPECT_THAT(plan_.sin(1), ::testing::ElementsAreArray(sin));
}

TEST_F(Rows, NothingIsAddedForNoRows) {
  plan_.add(pages_, 5, 3, 0);
  EXPECT_EQ(plan_.rows(), 0u);
  EXPECT_TRUE(plan_.runs().empty());
}

using RowsDeathTest = Rows;

TEST_F(RowsDeathTest, BrokenContractsStopTheProcess) {
  EXPECT_DEATH(plan_.add(pages_, 500, 0, 33), "limit");
  EXPECT_DEATH(plan_.add(pages_, 500, 190, 3), "pages");
  EXPECT_DEATH(plan_.add(pages_, 0, 0, 1), "prompt");
}

}  // namespace
}  // namespace baton::layers
