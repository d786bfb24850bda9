// baton: `baton X ...` runs the program baton-X that lies beside it, as git does.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/system/options.h"
#include "deploy/process.h"

namespace {

std::vector<std::string> commands(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("baton-")) names.push_back(name.substr(6));
  }
  std::sort(names.begin(), names.end());
  return names;
}

void print_help(const std::filesystem::path& folder) {
  std::printf(
      "Serves DeepSeek-V3-architecture models with separate prefill and decode workers.\n\n"
      "Usage: baton COMMAND [flags]      baton COMMAND --help\n\n"
      "  up         run a local cluster of daemons in the foreground\n"
      "  chat       talk to a running cluster from the terminal\n"
      "  inspect    say what a checkpoint is\n"
      "  status     say what the pools of a running cluster hold\n\n"
      "The daemons can be run by hand too: gateway, scheduler, prefill, decode.\n\n"
      "Programs found:");
  for (const std::string& name : commands(folder)) std::printf(" %s", name.c_str());
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path folder = baton::deploy::program_folder();
  const std::string command = argc > 1 ? argv[1] : "--help";
  if (command == "--help" || command == "-h" || command == "help") {
    print_help(folder);
    return 0;
  }
  if (command == "--version") {
    std::printf("%s\n", baton::kVersion);
    return 0;
  }
  const std::string program = folder / ("baton-" + command);
  std::string shown = "baton " + command;  // in its --help
  argv[1] = shown.data();
  ::execv(program.c_str(), argv + 1);
  std::fprintf(stderr, "baton: there is no command '%s'; `baton --help` lists them\n",
               command.c_str());
  return 2;
}
