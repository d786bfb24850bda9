#include "deploy/last_words.h"

#include <gtest/gtest.h>

namespace baton::deploy {
namespace {

constexpr std::string_view kKilled =
    "{\"level\":\"info\",\"event\":\"listening\"}\n"
    "--------------------------------------------------------------------------\n"
    "mpirun noticed that process rank 3 with PID 71 on node n exited on signal 9 (Killed).\n"
    "--------------------------------------------------------------------------\n";

TEST(LastWords, SayWhichRankDiedAndHow) {
  EXPECT_EQ(last_words(kKilled), "rank 3 exited on signal 9 (Killed)");
}

TEST(LastWords, AreTheDaemonsOwnWhereItSaysWhy) {
  EXPECT_EQ(last_words("baton-decode (rank 2): The file is gone.\n----\nPrimary job terminated\n"),
            "baton-decode (rank 2): The file is gone.");
  const std::string broken = "baton: broken invariant: a row comes whole (dispatch.cpp:12)";
  EXPECT_EQ(last_words(broken + "\n" + std::string(kKilled)), broken)
      << "which says more than how mpirun saw it end";
}

TEST(LastWords, OfALogWithoutAReasonThereAreNone) {
  EXPECT_EQ(last_words(""), std::nullopt);
  EXPECT_EQ(last_words("{\"level\":\"info\"}\nbaton-decode\nmpirun noticed that process rank"),
            std::nullopt);
}

}  // namespace
}  // namespace baton::deploy
