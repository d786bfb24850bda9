#include "base/observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/observe/bucket_counts.h"

namespace baton {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, CountsAndRendersInPrometheusText) {
  Metrics metrics;
  metrics.counter("baton_frames_total", "Frames.", {{"verdict", "admitted"}}).Increment(3);
  metrics.gauge("baton_running", "Running.").Set(2);
  metrics.histogram("baton_wait_seconds", "Waits.", {0.1, 1}).Observe(0.5);
  const std::string text = render(metrics.snapshot());
  EXPECT_THAT(text, HasSubstr("baton_frames_total{verdict=\"admitted\"} 3"));
  EXPECT_THAT(text, HasSubstr("# TYPE baton_running gauge"));
  EXPECT_THAT(text, HasSubstr("baton_wait_seconds_bucket{le=\"1\"} 1"));
}

TEST(Metrics, MergedSnapshotsShareAFamilyAndKeepTheirOrigin) {
  Metrics a;
  Metrics b;
  a.counter("baton_steps_total", "Steps.").Increment(1);
  b.counter("baton_steps_total", "Steps.").Increment(2);
  MetricsSnapshot all;
  merge(all, a.snapshot(), {{"instance", "decode-0"}});
  merge(all, b.snapshot(), {{"instance", "decode-1"}});
  ASSERT_EQ(all.size(), 1u);
  const std::string text = render(all);
  EXPECT_THAT(text, HasSubstr("baton_steps_total{instance=\"decode-0\"} 1"));
  EXPECT_THAT(text, HasSubstr("baton_steps_total{instance=\"decode-1\"} 2"));
}

}  // namespace
}  // namespace baton
