// What every daemon's main does around its own objects: ports in a file, signals, the loop's end.
// Thread safety: main only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "base/result.h"

namespace baton {

// Writes {"name": "host:port", ...} so that whoever waits for the file sees it whole or not at all.
Result<void> write_ports(const std::filesystem::path& file,
                         const std::map<std::string, std::string>& ports);

// Runs the loop until `stop` has been called. The first SIGTERM or SIGINT calls `drain`, which must
// in the end call the `stop` it is given; a second signal ends the process at once.
// With a `reload`, SIGHUP calls that instead of asking for a drain.
void run_until_drained(boost::asio::io_context& io,
                       const std::function<void(std::function<void()> stop)>& drain,
                       std::function<void()> reload = nullptr);

// Ends with the process that started this one, however that one dies.
void end_with_parent();

// Prints the sentence of a start that failed, for a person; returns the status for main.
int report_failure(const std::string& program, const Error& error);

}  // namespace baton
