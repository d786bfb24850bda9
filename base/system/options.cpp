#include "base/system/options.h"

#include <algorithm>
#include <cctype>

namespace baton {

namespace {

// --max-model-len reads BATON_MAX_MODEL_LEN.
std::string environment_name(const std::string& flag) {
  std::string name = "BATON_" + flag;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : std::toupper(c); });
  return name;
}

}  // namespace

std::optional<int> parse_options(CLI::App& app, int argc, char** argv) {
  app.set_version_flag("--version", kVersion);
  for (CLI::Option* option : app.get_options()) {
    const auto& names = option->get_lnames();
    if (names.empty() || names[0] == "help" || names[0] == "version") continue;
    option->envname(environment_name(names[0]));
  }
  app.get_formatter()->column_width(36);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int status = app.exit(e);
    return status == 0 ? 0 : 2;
  }
  return std::nullopt;
}

CLI::Option* add_bytes_option(CLI::App& app, const std::string& flag, size_t& bytes,
                              const std::string& help) {
  return app.add_option(flag, bytes, help)
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES")
      ->capture_default_str();
}

}  // namespace baton
