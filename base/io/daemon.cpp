#include "base/io/daemon.h"

#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/io/shutdown.h"

namespace baton {

Result<void> write_ports(const std::filesystem::path& file,
                         const std::map<std::string, std::string>& ports) {
  if (file.empty()) return {};
  const std::filesystem::path partial = file.string() + ".partial";
  std::ofstream out(partial);
  out << nlohmann::json(ports).dump() << "\n";
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(partial, file, error);
  if (!out || error) {
    return fail(ErrorCode::invalid_argument, "can't write the ports to {}", file.string());
  }
  return {};
}

void run_until_drained(boost::asio::io_context& io,
                       const std::function<void(std::function<void()> stop)>& drain,
                       std::function<void()> reload) {
  ShutdownSignal signal(
      io.get_executor(), [&] { drain([&io] { io.stop(); }); }, std::move(reload));
  io.run();
}

void end_with_parent() { ::prctl(PR_SET_PDEATHSIG, SIGTERM); }

int report_failure(const std::string& program, const Error& error) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), error.message.c_str());
  return 1;
}

}  // namespace baton
