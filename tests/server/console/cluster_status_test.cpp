#include "server/console/cluster_status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::server {
namespace {

using Json = nlohmann::json;

InstanceView instance(std::string name, Role role, double tokens) {
  InstanceView view;
  view.peer = {std::move(name), Incarnation(7), "127.0.0.1:1"};
  view.role = role;
  view.manifest.numeric_mode = "exact";
  view.load = {2, 1, 300, 8, {10, 4, 1, 2, 2, 1}};
  add_counter(view.metrics, "baton_decode_tokens_total", "", tokens);
  add_counter(view.metrics, "baton_frames_sent_total", "", 3);
  add_gauge(view.metrics, "baton_layout_info", "", 1, {{"layout", "tp=2,dp=1"}});
  return view;
}

TEST(ClusterStatus, instances_are_told_with_layout_load_and_pages) {
  ClusterView cluster;
  cluster.membership = 3;
  cluster.instances = {instance("decode-0", Role::decode, 5)};
  const Json json = Json::parse(cluster_response(cluster, {}, 4).body);
  EXPECT_EQ(json["membership"], 3);
  EXPECT_EQ(json["requests"], 4);
  const Json& told = json["instances"][0];
  EXPECT_EQ(told["layout"], "tp=2,dp=1");
  EXPECT_EQ(told["numeric_mode"], "exact");
  EXPECT_EQ(told["role"], "decode");
  EXPECT_EQ(told["queued_tokens"], 300);
  EXPECT_EQ(told["running_max"], 8);
  EXPECT_EQ(told["pages"]["total"], 10);
  EXPECT_EQ(told["conserved"], true);
}

TEST(ClusterStatus, totals_are_sums_over_all_instances_and_the_gateways_own) {
  ClusterView cluster;
  cluster.instances = {instance("a", Role::decode, 5), instance("b", Role::decode, 7)};
  Metrics own;
  own.counter("baton_migrations_total", "").Increment(2);
  const Json totals = Json::parse(cluster_response(cluster, own.snapshot(), 0).body)["totals"];
  EXPECT_EQ(totals["generation_tokens"], 12);
  EXPECT_EQ(totals["frames"], 6);
  EXPECT_EQ(totals["migrations"], 2);
  EXPECT_EQ(totals["handoffs"], 0);
}

TEST(ClusterStatus, an_empty_cluster_and_names_that_are_no_utf8_are_answered) {
  EXPECT_EQ(Json::parse(cluster_response({}, {}, 0).body)["instances"], Json::array());
  ClusterView cluster;
  cluster.instances.emplace_back().peer.name = "\xff";
  EXPECT_EQ(cluster_response(cluster, {}, 0).status, 200);
}

}  // namespace
}  // namespace baton::server
