#include "server/readiness_state.h"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

ClusterView view_of(uint64_t membership, bool decode, bool draining = false, bool stale = false) {
  ClusterView view;
  view.membership = membership;
  InstanceView instance;
  instance.role = decode ? Role::decode : Role::prefill;
  instance.draining = draining;
  instance.stale = stale;
  view.instances.push_back(instance);
  return view;
}

const Instant kNow{};

TEST(ReadinessState, starts_unready_and_says_why) {
  ReadinessState state;
  EXPECT_EQ(state.readiness().code, "model_loading");
  EXPECT_FALSE(state.probe_due(kNow));
}

TEST(ReadinessState, is_ready_only_after_a_token) {
  ReadinessState state;
  state.cluster_seen(view_of(1, true));
  EXPECT_FALSE(state.readiness().ready);
  EXPECT_TRUE(state.probe_due(kNow));
  state.probe_sent();
  EXPECT_FALSE(state.probe_due(kNow)) << "one at a time";
  state.token_produced(1);
  state.probe_finished();
  EXPECT_TRUE(state.readiness().ready);
  EXPECT_FALSE(state.probe_due(kNow));
}

TEST(ReadinessState, a_change_of_membership_must_be_shown_anew) {
  ReadinessState state;
  state.cluster_seen(view_of(1, true));
  state.token_produced(1);
  state.cluster_seen(view_of(1, true));
  EXPECT_TRUE(state.readiness().ready) << "only the load has changed";
  state.cluster_seen(view_of(2, true));
  EXPECT_FALSE(state.readiness().ready);
  state.token_produced(1);
  EXPECT_FALSE(state.readiness().ready) << "that request began before the change";
  state.token_produced(2);
  EXPECT_TRUE(state.readiness().ready);
}

TEST(ReadinessState, without_a_usable_decode_instance_it_is_not_ready) {
  for (const ClusterView& view :
       {view_of(1, false), view_of(1, true, true), view_of(1, true, false, true)}) {
    ReadinessState state;
    state.cluster_seen(view);
    state.token_produced(1);
    EXPECT_EQ(state.readiness().code, "no_capacity");
    EXPECT_FALSE(state.probe_due(kNow));
  }
}

TEST(ReadinessState, failed_probes_are_tried_again_with_growing_pauses) {
  ReadinessState state;
  state.cluster_seen(view_of(1, true));
  Instant now = kNow;
  Duration last{};
  for (int i = 0; i < 10; ++i) {
    state.probe_sent();
    state.probe_failed("Full.", now);
    EXPECT_FALSE(state.probe_due(now));
    ASSERT_TRUE(state.next_probe());
    const Duration pause = *state.next_probe() - now;
    EXPECT_GE(pause, last);
    EXPECT_LE(pause, 5s);
    last = pause;
    now = *state.next_probe();
    EXPECT_TRUE(state.probe_due(now));
  }
  EXPECT_NE(state.readiness().reason.find("Full."), std::string::npos);
}

TEST(ReadinessState, a_draining_gateway_is_never_ready) {
  ReadinessState state;
  state.cluster_seen(view_of(1, true));
  state.token_produced(1);
  state.drain();
  EXPECT_EQ(state.readiness().code, "draining");
  state.cluster_seen(view_of(2, true));
  EXPECT_FALSE(state.probe_due(kNow));
}

TEST(ReadinessState, a_lost_scheduler_does_not_end_readiness) {
  ReadinessState state;
  state.cluster_seen(view_of(1, true));
  state.token_produced(1);
  state.scheduler_lost();
  EXPECT_TRUE(state.readiness().ready);
}

}  // namespace
}  // namespace baton::server
