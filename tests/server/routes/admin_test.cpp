#include "server/routes/admin.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <nlohmann/json.hpp>

#include "tests/server/support/fake_engine.h"

namespace baton::server {
namespace {

using Json = nlohmann::json;

class AdminTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [name, id, stale] :
         {std::tuple{"decode-0", 5, false}, {"gone-0", 6, true}, {"prefill-0", 7, false}}) {
      auto& instance = engine_.view.instances.emplace_back();
      instance.peer = {name, Incarnation(static_cast<uint64_t>(id)), "a:1"};
      instance.stale = stale;
    }
    auto& store = engine_.view.instances.emplace_back();  // has no experts
    store.peer = {"kvstore-0", Incarnation(8), "a:1"};
    store.role = Role::kvstore;
  }
  boost::asio::io_context io_;
  testing::FakeEngine engine_{io_.get_executor()};
};

TEST_F(AdminTest, RebalanceTellsAllThatLiveOrTheOneThatIsNamed) {
  const auto all = rebalance_response("", engine_);
  EXPECT_EQ(all.status, 202);
  EXPECT_EQ(Json::parse(all.body)["instances"], (Json{"decode-0", "prefill-0"}));
  EXPECT_EQ(engine_.rebalanced, (std::vector<Incarnation>{Incarnation(5), Incarnation(7)}));

  engine_.rebalanced.clear();
  EXPECT_EQ(rebalance_response("{}", engine_).status, 202);
  EXPECT_EQ(engine_.rebalanced.size(), 2u);
  engine_.rebalanced.clear();
  EXPECT_EQ(rebalance_response(R"({"instance": "prefill-0"})", engine_).status, 202);
  EXPECT_EQ(engine_.rebalanced, std::vector<Incarnation>{Incarnation(7)});
}

TEST_F(AdminTest, RebalanceRefusesWhatItDoesNotKnow) {
  for (const char* body : {R"({"instance": "gone-0"})", R"({"instance": "else"})"}) {
    EXPECT_EQ(rebalance_response(body, engine_).status, 404) << body;
  }
  for (const char* body : {"[]", "x", R"({"instance": 3})", R"({"layer": 3})",
                           R"({"instance": "decode-0", "layer": 3})"}) {
    EXPECT_EQ(rebalance_response(body, engine_).status, 400) << body;
  }
  engine_.view.instances.clear();
  EXPECT_EQ(rebalance_response("", engine_).status, 404);
  EXPECT_TRUE(engine_.rebalanced.empty());
}

}  // namespace
}  // namespace baton::server
