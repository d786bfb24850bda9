#include "model/checkpoint/packed/mode_options.h"

#include "model/checkpoint/packed/numeric_mode.h"

namespace baton::checkpoint {

void add_mode_options(CLI::App& app, std::string& mode) {
  app.add_option("--mode", mode, "numeric mode: " + numeric_mode_names())
      ->check([](const std::string& name) {
        const auto found = find_numeric_mode(name);
        return found ? std::string() : found.error().message;
      })
      ->capture_default_str();
  // Options act in the order in which they are added, so `mode` has its value by then.
  app.add_option_function<unsigned>(
         "--expert-bits",
         [&mode](unsigned bits) {
           const auto found = find_numeric_mode(mode, bits);
           if (!found) throw CLI::ValidationError("--expert-bits", found.error().message);
           mode = found->name;
         },
         "bits of a routed expert's weight, 8 or 4 [as the mode has it]")
      ->check(CLI::IsMember({4, 8}));
}

}  // namespace baton::checkpoint
