#include "deploy/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace baton::deploy {
namespace {

using ::testing::HasSubstr;

Process shell(const std::string& script, const std::filesystem::path& log = {},
              int drain_signal = SIGTERM) {
  auto started = Process::start({"/bin/sh", "-c", script}, log, drain_signal);
  check(started.has_value(), "a shell can be started");
  return std::move(*started);
}

// Waits for the child's end without reaping it: that is the object's part.
int status_of(Process& process) {
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(process.pid()), &info, WEXITED | WNOWAIT);
  return process.poll().value_or(-1);
}

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

std::filesystem::path temporary(const std::string& name) {
  return std::filesystem::temp_directory_path() /
         ("baton-process-" + std::to_string(::getpid()) + "-" + name);
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Process, tells_how_its_child_ended) {
  auto three = shell("exit 3");
  EXPECT_EQ(status_of(three), 3);
  EXPECT_EQ(three.poll(), 3) << "as often as it is asked";
  auto killed = shell("kill -9 $$");
  EXPECT_EQ(status_of(killed), 128 + SIGKILL);
}

TEST(Process, writes_all_output_to_the_log_and_keeps_what_was_there) {
  const auto log = temporary("log");
  auto first = shell("echo one; echo two >&2", log);
  EXPECT_EQ(status_of(first), 0);
  auto second = shell("echo three", log);
  EXPECT_EQ(status_of(second), 0);
  EXPECT_EQ(text_of(log), "one\ntwo\nthree\n");
  std::filesystem::remove(log);
}

// What children write to a named pipe. It ends when the last of them is gone.
class Pipe {
 public:
  explicit Pipe(const std::string& name) : path_(temporary(name)) {
    check(::mkfifo(path_.c_str(), 0600) == 0, "a named pipe can be made");
    descriptor_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ::fcntl(descriptor_, F_SETFL, 0);
  }
  ~Pipe() {
    ::close(descriptor_);
    std::filesystem::remove(path_);
  }
  const std::filesystem::path& path() const { return path_; }
  // One byte; false at the end.
  bool read() {
    char byte = 0;
    return ::read(descriptor_, &byte, 1) == 1;
  }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

TEST(Process, asks_its_child_to_end_by_the_signal_it_was_given) {
  Pipe pipe("drain");
  auto child = shell("trap 'exit 7' USR1; echo; while :; do read -r x < /dev/null; done",
                     pipe.path(), SIGUSR1);
  ASSERT_TRUE(pipe.read()) << "the child listens";
  child.drain();
  EXPECT_EQ(status_of(child), 7);
}

TEST(Process, leaves_no_child_and_no_grandchild) {
  Pipe pipe("group");
  pid_t pid = 0;
  {
    auto child = shell("(while :; do :; done) & echo; wait", pipe.path());
    pid = child.pid();
    ASSERT_TRUE(pipe.read()) << "the child runs";
    EXPECT_FALSE(child.poll());
  }
  EXPECT_FALSE(exists(pid)) << "it was reaped";
  EXPECT_FALSE(pipe.read()) << "nobody is left to write";
}

TEST(Process, a_program_that_is_not_there_ends_with_127) {
  const auto log = temporary("absent");
  auto absent = Process::start({"/nowhere/baton-nothing"}, log, SIGTERM);
  ASSERT_TRUE(absent);
  EXPECT_EQ(status_of(*absent), 127);
  EXPECT_THAT(text_of(log), HasSubstr("/nowhere/baton-nothing: can't be executed"));
  std::filesystem::remove(log);
}

TEST(Process, a_log_that_cant_be_written_is_refused_by_name) {
  const auto refused = Process::start({"/bin/true"}, "/nowhere/x.log", SIGTERM);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("/nowhere/x.log"));
}

TEST(Process, finds_the_folder_of_its_own_program) {
  EXPECT_TRUE(std::filesystem::exists(program_folder() / "deploy_test"));
}

}  // namespace
}  // namespace baton::deploy
