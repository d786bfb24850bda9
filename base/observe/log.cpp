#include "base/observe/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

namespace baton {

namespace {

constexpr size_t kLineBytesMax = 16 * 1024;

spdlog::level::level_enum spd(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

Log::Log() = default;

Log::Log(std::string daemon, std::string instance, LogLevel lowest)
    : daemon_(std::move(daemon)), instance_(std::move(instance)) {
  logger_ =
      std::make_shared<spdlog::logger>(daemon_, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger_->set_level(spd(lowest));
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)", spdlog::pattern_time_type::utc));
}

void Log::write(LogLevel level, std::string_view event, const nlohmann::json& fields) const {
  if (!logger_ || !logger_->should_log(spd(level))) return;
  nlohmann::ordered_json line;
  line["daemon"] = daemon_;
  if (!instance_.empty()) line["instance"] = instance_;
  line["event"] = event;
  if (fields.is_object()) {
    for (const auto& [key, value] : fields.items()) line[key] = value;
  }
  std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > kLineBytesMax) {
    text = nlohmann::ordered_json{{"daemon", daemon_}, {"event", event}, {"cut", true}}.dump();
  }
  // The formatter has opened the object with ts and level.
  logger_->log(spd(level), "{}", std::string_view(text).substr(1));
}

void Log::debug(std::string_view event, const nlohmann::json& fields) const {
  write(LogLevel::debug, event, fields);
}
void Log::info(std::string_view event, const nlohmann::json& fields) const {
  write(LogLevel::info, event, fields);
}
void Log::warning(std::string_view event, const nlohmann::json& fields) const {
  write(LogLevel::warning, event, fields);
}
void Log::error(std::string_view event, const nlohmann::json& fields) const {
  write(LogLevel::error, event, fields);
}

}  // namespace baton
