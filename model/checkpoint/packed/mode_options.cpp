#include "model/checkpoint/packed/mode_options.h"

#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::checkpoint {

void add_mode_option(CLI::App& app, std::string& mode) {
  app.add_option("--mode", mode, "numeric mode: " + numeric_mode_names())
      ->check([](const std::string& name) {
        const auto found = find_numeric_mode(name);
        return found ? std::string() : found.error().message;
      })
      ->capture_default_str();
}

void add_mode_options(CLI::App& app, std::string& mode) {
  add_mode_option(app, mode);
  const CLI::Option* bits =
      app.add_option("--expert-bits",
                     "bits of a routed expert's weight, 8 or 4 [as the mode has it]")
          ->type_name("UINT")
          ->check(CLI::IsMember({4, 8}));
  // Not when the option acts: those of a file act in its order, before those of the command line.
  app.final_callback([bits, &mode] {
    if (bits->empty()) return;
    const auto found = find_numeric_mode(mode, bits->as<unsigned>());
    if (!found) throw CLI::ValidationError("--expert-bits", found.error().message);
    mode = found->name;
  });
}

}  // namespace baton::checkpoint
