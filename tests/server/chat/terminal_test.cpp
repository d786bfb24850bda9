#include "server/chat/terminal.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/server/support/test_server.h"

namespace baton::server::chat {
namespace {

struct Told {
  int status = 0;
  std::string out, notes;
};

Told talk(testing::TestServer& server, const std::string& input, const std::string& key = "") {
  TerminalOptions options;
  options.url = {"127.0.0.1", std::to_string(server.port), ""};
  options.api_key = key;
  options.interactive = false;
  const SystemClock clock;
  std::istringstream in(input);
  std::ostringstream out, notes;
  Terminal terminal(options, clock, in, out, notes);
  const int status = terminal.loop();
  return {status, out.str(), notes.str()};
}

TEST(Terminal, shows_answers_and_their_times_and_keeps_the_history) {
  testing::TestServer server;
  const Told told = talk(server, "hi\n\nagain\n/reset\nfresh\n/quit\nnever\n");
  EXPECT_EQ(told.status, 0);
  EXPECT_EQ(told.out, "hello\nhello\nhello\n");
  EXPECT_NE(told.notes.find("5 tokens"), std::string::npos) << told.notes;
  server.on_server([&] {
    ASSERT_EQ(server.engine.seen.size(), 3u);
    const auto text = [&](size_t i) {
      return server.model.decode(server.engine.seen[i].prompt, false);
    };
    EXPECT_EQ(text(1), "user: hi\nassistant: hello\nuser: again\nassistant: ");
    EXPECT_EQ(text(2), "user: fresh\nassistant: ");
  });
}

TEST(Terminal, tells_the_servers_reason) {
  testing::TestServerOptions options;
  options.keys.add("secret");
  testing::TestServer server(options);
  EXPECT_NE(talk(server, "hi\n").notes.find("API key"), std::string::npos);
  EXPECT_EQ(talk(server, "hi\n", "secret").out, "hello\n");
}

TEST(Terminal, a_failed_answer_is_said_so) {
  testing::TestServer server;
  server.engine.failure = api::unavailable("no_capacity", "All workers are gone.", 1);
  server.engine.fail_after = 2;
  const Told told = talk(server, "hi\n");
  EXPECT_EQ(told.out, "he\n");
  EXPECT_NE(told.notes.find("All workers are gone."), std::string::npos);
}

TEST(Terminal, unknown_commands_are_not_sent) {
  testing::TestServer server;
  EXPECT_NE(talk(server, "/help\n").notes.find("/reset"), std::string::npos);
  EXPECT_TRUE(server.engine.seen.empty());
}

}  // namespace
}  // namespace baton::server::chat
