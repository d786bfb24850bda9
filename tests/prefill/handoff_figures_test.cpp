#include "prefill/handoff_figures.h"

#include <gtest/gtest.h>

namespace baton::prefill {
namespace {

TEST(HandoffFigures, SaysHowTheyWent) {
  HandoffFigures figures;
  figures.committed(3'000'000, 1500ms, 4ms);
  figures.committed(1'000'000, 0ms, 0ms);  // the clock did not move
  figures.failed(false);
  figures.failed(true);
  figures.failed(true);
  MetricsSnapshot all;
  figures.add_to(all);
  const std::string text = render(all);
  for (const char* line :
       {"baton_kv_transfer_latency_ms_sum 4\n", "baton_kv_transfer_latency_ms_bucket{le=\"2\"} 1\n",
        "baton_kv_transfer_total_mb_sum 4\n", "baton_kv_transfer_total_mb_count 2\n",
        "baton_kv_transfer_speed_gb_s_count 1\n", "baton_kv_transfer_speed_gb_s_sum 0.002\n",
        "baton_num_bootstrap_failed_reqs_total 1\n", "baton_num_transfer_failed_reqs_total 2\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

}  // namespace
}  // namespace baton::prefill
