#include "base/observe/bucket_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton {
namespace {

using ::testing::HasSubstr;

TEST(BucketCounts, CountsBetweenItsEdgesAndTravelsAsAHistogram) {
  static constexpr double kEdges[] = {1, 8, 16};
  BucketCounts counts(kEdges);
  for (const double value : {1, 2, 8, 9, 17}) counts.observe(value);
  MetricsSnapshot all;
  counts.add_to(all, "rows", "Rows.", {{"engine", "e"}});
  const std::string text = render(all);
  for (const char* line :
       {"rows_bucket{engine=\"e\",le=\"1\"} 1\n", "rows_bucket{engine=\"e\",le=\"8\"} 3\n",
        "rows_bucket{engine=\"e\",le=\"16\"} 4\n", "rows_bucket{engine=\"e\",le=\"+Inf\"} 5\n",
        "rows_count{engine=\"e\"} 5\n", "rows_sum{engine=\"e\"} 37\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace baton
