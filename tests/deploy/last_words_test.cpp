#include "deploy/last_words.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_folder.h"

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
  EXPECT_EQ(last_words("baton-decode: first\n" + std::string(kKilled)),
            "rank 3 exited on signal 9 (Killed)")
      << "the last one";
}

TEST(LastWords, OfALogWithoutAReasonThereAreNone) {
  EXPECT_EQ(last_words(""), std::nullopt);
  EXPECT_EQ(last_words("{\"level\":\"info\"}\nbaton-decode\nmpirun noticed that process rank"),
            std::nullopt);
  EXPECT_EQ(last_words_of("/nowhere/at/all.log"), std::nullopt);
}

TEST(LastWords, OfALongLogAreReadFromItsEnd) {
  const testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "x.log") << std::string(100000, 'x') << '\n' << kKilled;
  EXPECT_EQ(last_words_of(folder.path() / "x.log"), "rank 3 exited on signal 9 (Killed)");
}

}  // namespace
}  // namespace baton::deploy
