#include "server/routes/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace baton::server {
namespace {

using Json = nlohmann::json;

api::ModelFacts facts() {
  api::ModelFacts facts;
  facts.name = "org/m";
  facts.root = "m";
  facts.created = 7;
  facts.sampling.temperature = 0.6f;
  facts.vocab_size = 100;
  facts.max_model_len = 4096;
  return facts;
}

TEST(Status, models_are_listed_in_the_known_shape) {
  EXPECT_EQ(models_response(facts()).body,
            R"({"object":"list","data":[{"id":"org/m","object":"model","created":7,)"
            R"("owned_by":"baton","root":"m","parent":null,"max_model_len":4096,)"
            R"("default_sampling":{"temperature":0.6,"top_p":1.0,"top_k":0,"min_p":0.0,)"
            R"("repetition_penalty":1.0}}]})");
  EXPECT_EQ(model_response(facts(), "org/m").status, 200);
  EXPECT_EQ(model_response(facts(), "m").status, 404);
}

TEST(Status, a_model_is_listed_under_each_of_its_names) {
  api::ModelFacts model = facts();
  model.aliases = {"gpt-4o"};
  const Json list = Json::parse(models_response(model).body);
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][1]["id"], "gpt-4o");
  EXPECT_EQ(Json::parse(model_response(model, "gpt-4o").body)["id"], "gpt-4o");
}

TEST(Status, not_ready_is_503_with_the_reason) {
  EXPECT_EQ(readiness_response({true, {}, {}}).status, 200);
  const auto response = readiness_response({false, "no_capacity", "Nobody."});
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(Json::parse(response.body)["error"]["message"], "Nobody.");
}

TEST(Status, pages_are_shown_with_whether_they_add_up) {
  ClusterView view;
  view.membership = 4;
  InstanceView instance;
  instance.peer = {"decode-0", Incarnation(255), "a:1"};
  instance.load.pages = {10, 4, 1, 2, 2, 1};
  view.instances.push_back(instance);
  instance.load.pages.free = 5;
  view.instances.push_back(instance);
  const Json json = Json::parse(kv_response(view).body);
  EXPECT_EQ(json["membership"], 4);
  EXPECT_EQ(json["instances"][0]["pages"]["total"], 10);
  EXPECT_EQ(json["instances"][0]["incarnation"], "00000000000000ff");
  EXPECT_EQ(json["instances"][0]["conserved"], true);
  EXPECT_EQ(json["instances"][1]["conserved"], false);
}

TEST(Status, names_that_are_no_utf8_do_not_stop_an_answer) {
  ClusterView view;
  view.instances.emplace_back().peer.name = "\xff";
  EXPECT_EQ(kv_response(view).status, 200);
}

TEST(Status, the_version_is_told) {
  EXPECT_NE(version_response().body.find("version"), std::string::npos);
}

}  // namespace
}  // namespace baton::server
