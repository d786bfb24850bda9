// Log: one JSON object a line on standard error (standard output is for the ready line).
//
// Each line has ts (RFC 3339, UTC), level, daemon, instance, event, then the caller's fields. Never
// prompt text. A line is cut at 16 KiB. A Log is a cheap handle; copies write to the same place.
// Thread safety: any thread.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace baton {

enum class LogLevel { debug, info, warning, error };

class Log {
 public:
  Log();  // writes nowhere: the default of tests
  Log(std::string daemon, std::string instance, LogLevel lowest = LogLevel::info);

  void debug(std::string_view event, const nlohmann::json& fields) const;
  void info(std::string_view event, const nlohmann::json& fields) const;
  void warning(std::string_view event, const nlohmann::json& fields) const;
  void error(std::string_view event, const nlohmann::json& fields) const;

 private:
  void write(LogLevel level, std::string_view event, const nlohmann::json& fields) const;

  std::shared_ptr<spdlog::logger> logger_;
  std::string daemon_;
  std::string instance_;
};

}  // namespace baton
