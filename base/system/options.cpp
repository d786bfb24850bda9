#include "base/system/options.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace baton {

namespace {

// --max-model-len reads BATON_MAX_MODEL_LEN.
std::string environment_name(const std::string& flag) {
  std::string name = "BATON_" + flag;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : std::toupper(c); });
  return name;
}

// The library itself takes "" for zero and NaN for any number.
std::string whole_number_error(std::string_view text, bool may_be_negative) {
  if (may_be_negative && text.starts_with('-')) text.remove_prefix(1);
  const bool digits =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  return digits && !text.empty() ? "" : fmt::format("'{}' is not a whole number", text);
}

// Most are seconds, which must fit into 64 bits as nanoseconds.
std::string real_number_error(const std::string& text) {
  constexpr double kLargest = 1e9;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || std::isnan(number)) {
    return fmt::format("'{}' is not a number", text);
  }
  if (number < 0) return fmt::format("{} is negative", text);
  return number <= kLargest ? "" : fmt::format("{} is too large", text);
}

std::string bytes_error(const std::string& text) {
  const bool number = !text.empty() && std::isdigit(static_cast<unsigned char>(text[0])) != 0;
  return number ? "" : fmt::format("'{}' is not a number of bytes, such as 512M or 2G", text);
}

// Puts these checks in front of an option's own, so that those see only numbers.
void check_numbers(CLI::Option& option) {
  const std::string type = option.get_type_name();
  const bool is_signed = type.starts_with("INT");
  if (is_signed || type.starts_with("UINT")) {
    option.transform(CLI::Validator(
        [is_signed](std::string& text) { return whole_number_error(text, is_signed); }, ""));
  } else if (type.starts_with("FLOAT")) {
    option.transform(CLI::Validator([](std::string& t) { return real_number_error(t); }, ""));
  } else if (type.starts_with("BYTES")) {
    option.transform(CLI::Validator([](std::string& t) { return bytes_error(t); }, ""));
  }
}

// After check_numbers a conversion fails only where a number does not fit.
std::string complaint(const CLI::App* app, const CLI::Error& error) {
  constexpr std::string_view kConvert = "Could not convert: ";
  std::string why = error.what();
  if (why.starts_with(kConvert)) why = why.substr(kConvert.size()) + " is too large";
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError)) {
    why = "not a flag of this program: " + CLI::detail::join(app->remaining(), " ");
  }
  return why + "\nRun with --help for more information.\n";
}

}  // namespace

std::optional<int> parse_options(CLI::App& app, int argc, char** argv) {
  app.set_version_flag("--version", kVersion);
  for (CLI::Option* option : app.get_options()) {
    const auto& names = option->get_lnames();
    if (names.empty() || names[0] == "help" || names[0] == "version") continue;
    option->envname(environment_name(names[0]));
    check_numbers(*option);
  }
  app.get_formatter()->column_width(36);
  app.failure_message(complaint);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int status = app.exit(e);
    return status == 0 ? 0 : 2;
  }
  return std::nullopt;
}

bool set_in_environment(const CLI::Option& option) {
  const std::string name = option.get_envname();
  const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
  return value != nullptr && *value != '\0';
}

CLI::Option* add_bytes_option(CLI::App& app, const std::string& flag, size_t& bytes,
                              const std::string& help) {
  return app.add_option(flag, bytes, help)
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES")
      ->capture_default_str();
}

}  // namespace baton
