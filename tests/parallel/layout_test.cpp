#include "parallel/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "base/hash/counter_rng.h"

namespace baton::parallel {
namespace {

using ::testing::HasSubstr;

constexpr ModelShape kV3{
    .heads = 128, .routed_experts = 256, .shared_experts = 1, .expert_groups = 8};

TEST(Layout, ReadsItsKeysInAnyOrder) {
  const auto layout = parse_layout("dp=8,tp=4,threads=2");
  ASSERT_TRUE(layout);
  EXPECT_EQ(*layout, (Layout{.tp = 4, .dp = 8, .threads = 2}));
  EXPECT_EQ(layout->ranks(), 32u);
  EXPECT_EQ(*parse_layout(""), Layout{});
  EXPECT_EQ(
      *parse_layout("overlap=on,shared=routed,redundant=63,ranks_per_host=8,instances=3,tp=4,dp=80,"
                    "link_delay_us=50"),
      (Layout{.tp = 4,
              .dp = 80,
              .redundant = 63,
              .shared = SharedExpert::routed,
              .overlap = true,
              .ranks_per_host = 8,
              .link_delay_us = 50,
              .instances = 3}));
  EXPECT_EQ(*parse_layout("overlap=off,shared=replicated,redundant=0,ranks_per_host=0"), Layout{});
}

TEST(Layout, IsReadBackFromItsText) {
  SeededRandom random(1);
  for (int i = 0; i < 200; ++i) {
    const auto draw = [&](uint32_t least, uint32_t most) {
      return least + static_cast<uint32_t>(random.below(most - least + 1));
    };
    const Layout layout{
        .tp = draw(1, 1024),
        .dp = draw(1, 65536),
        .redundant = draw(0, 65536),
        .shared = random.chance(0.5) ? SharedExpert::routed : SharedExpert::replicated,
        .overlap = random.chance(0.5),
        .ranks_per_host = draw(0, 65536),
        .link_delay_us = draw(0, 1000000),
        .threads = draw(1, 1024),
        .instances = draw(1, 1024)};
    EXPECT_EQ(*parse_layout(to_string(layout)), layout);
  }
}

TEST(Layout, NamesWhatItCannotRead) {
  for (const char* text :
       {"tp", "tp=", "tp=0", "tp=-1", "tp=x", "tp=1x", "tp= 1", "ep=4", "tp=99999999999",
        "dp=99999999", "shared=maybe", "shared=", "overlap=1", "redundant=-1",
        "ranks_per_host=many", "tp=1,tp=1", "threads=1,tp=1,threads=2"}) {
    const auto refused = parse_layout(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(refused.error().message, HasSubstr(std::string(text).substr(0, 2)));
  }
  EXPECT_THAT(parse_layout("tp=1,,dp=1").error().message, HasSubstr("'' in a layout"));
  EXPECT_THAT(parse_layout("dp=1,tp=1,dp=1").error().message, HasSubstr("dp is given twice"));
}

TEST(Layout, CountsTheSlotsOfTheReportsUnits) {
  const Layout prefill{.tp = 4, .dp = 8, .redundant = 32};
  EXPECT_EQ(prefill.slots_per_rank(256), 9u);
  EXPECT_EQ(prefill.slots(256), 288u);
  const Layout decode{.tp = 4, .dp = 80, .redundant = 63, .shared = SharedExpert::routed};
  EXPECT_EQ(decode.logical_experts(256), 257u);
  EXPECT_EQ(decode.slots_per_rank(256), 1u);
  EXPECT_EQ(Layout{}.slots_per_rank(256), 256u);
  EXPECT_EQ((Layout{.dp = 144, .redundant = 32}).slots_per_rank(256), 2u);
  EXPECT_EQ((Layout{.tp = 2, .dp = 3}).slots_per_rank(4), 1u) << "a spare slot is a replica";
  EXPECT_EQ((Layout{.tp = 4, .dp = 80, .ranks_per_host = 8}).hosts(), 40u);
  EXPECT_EQ(prefill.hosts(), 1u);
}

TEST(Layout, AllShapesOfTheReportDivideV3) {
  for (const char* text :
       {"", "tp=4,dp=8,redundant=32,ranks_per_host=8", "tp=4,dp=80,redundant=63,shared=routed",
        "tp=4,dp=80,redundant=63,shared=routed,ranks_per_host=8", "dp=32,redundant=32",
        "dp=144,redundant=32", "tp=8", "tp=2,dp=3,ranks_per_host=2"}) {
    const auto checked = check_layout(*parse_layout(text), kV3);
    EXPECT_TRUE(checked) << text << ": " << checked.error().message;
  }
}

std::string refusal(const Layout& layout, const ModelShape& model = kV3) {
  const auto checked = check_layout(layout, model);
  return checked ? "" : checked.error().message;
}

TEST(Layout, TpDividesThePartialSumsOfTheHeads) {
  for (uint32_t heads = 1; heads <= 48; ++heads) {
    for (uint32_t tp = 1; tp <= 16; ++tp) {
      const bool divides = heads % tp == 0 && 8 % tp == 0;
      EXPECT_EQ(refusal({.tp = tp}, {.heads = heads}).empty(), divides) << heads << " " << tp;
    }
  }
  EXPECT_EQ(refusal({.tp = 16}), "tp=16 can't divide the model's 128 heads; it must divide 8");
}

TEST(Layout, HostsAreAlikeAndKeepATpGroupTogether) {
  EXPECT_THAT(refusal({.dp = 2, .link_delay_us = 5}), HasSubstr("give ranks_per_host too"));
  EXPECT_THAT(refusal({.tp = 4, .dp = 8, .ranks_per_host = 2}), HasSubstr("multiple of tp=4"));
  EXPECT_THAT(refusal({.tp = 4, .dp = 8, .ranks_per_host = 6}), HasSubstr("multiple of tp=4"));
  EXPECT_THAT(refusal({.tp = 4, .dp = 8, .ranks_per_host = 12}), HasSubstr("divide the 32 ranks"));
  EXPECT_THAT(refusal({.tp = 4, .dp = 8, .ranks_per_host = 64}), HasSubstr("divide the 32 ranks"));
  for (const uint32_t hosted : {4, 8, 16, 32}) {
    EXPECT_EQ(refusal({.tp = 4, .dp = 8, .ranks_per_host = hosted}), "");
  }
}

TEST(Layout, ASharedExpertIsRoutedOnlyWhereThereIsOne) {
  const ModelShape none{.heads = 8, .routed_experts = 16};
  EXPECT_THAT(refusal({.shared = SharedExpert::routed}, none), HasSubstr("shared=routed needs"));
  EXPECT_EQ(refusal({.shared = SharedExpert::routed}), "");
}

// On few ranks an expert may then lie on one rank twice: of no use, and no harm.
TEST(Layout, AnyNumberOfRedundantSlotsIsTaken) {
  EXPECT_EQ(refusal({.redundant = 5}), "");
  EXPECT_EQ(refusal({.dp = 2, .redundant = 300}), "");
}

TEST(Layout, SlotsThatNobodyNeedsAreRefused) {
  const ModelShape model{.heads = 8, .routed_experts = 16, .shared_experts = 1};
  for (const auto& [text, runs] : {std::pair("tp=1,dp=1,redundant=16", true),
                                   {"tp=1,dp=1,redundant=17", false},
                                   {"tp=2,dp=4,redundant=100", true},
                                   {"dp=2,redundant=65536", false}}) {
    EXPECT_EQ(check_layout(*parse_layout(text), model).has_value(), runs) << text;
  }
}

TEST(Layout, ARefusalIsOneLine) {
  for (const char* text : {"tp=2\ndp=2", "tp= 2", "tp=\xff"}) {
    const auto refused = parse_layout(text);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace baton::parallel
