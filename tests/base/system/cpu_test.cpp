#include "base/system/cpu.h"

#include <gtest/gtest.h>

namespace baton {
namespace {

TEST(Cpu, FeaturesImplyWhatTheyBuildOn) {
  const CpuFeatures f = cpu_features();
  EXPECT_TRUE(f.avx2 || !f.avx512);
  EXPECT_TRUE(f.avx512 || !f.avx512_vnni);
  EXPECT_GE(cpu_count(), 1u);
}

TEST(Cpu, IsDescribedInWords) {
  EXPECT_EQ(describe({}), "portable");
  EXPECT_EQ(describe({.avx2 = true, .avx512 = true}), "avx2 avx512");
}

}  // namespace
}  // namespace baton
