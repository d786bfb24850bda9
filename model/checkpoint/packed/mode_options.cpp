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
  const CLI::Option* dtype =
      app.add_option("--kv-cache-dtype",
                     "type of a cached latent: auto (as the mode has it), bf16, fp8 (e4m3 with "
                     "scales; its rope part stays BF16)")
          ->type_name("TEXT")
          ->check(CLI::IsMember({"auto", "bf16", "bfloat16", "fp8", "fp8_e4m3"}));
  // Not when an option acts: those of a file act in its order, before those of the command line.
  app.final_callback([bits, dtype, &mode] {
    const unsigned wanted_bits = bits->empty() ? 0 : bits->as<unsigned>();
    const auto type = dtype->empty() ? "auto" : dtype->as<std::string>();
    std::optional<EntryForm> entries;
    if (type != "auto") entries = type[0] == 'f' ? EntryForm::fp8 : EntryForm::bf16;
    const auto found = find_numeric_mode(mode, wanted_bits, entries);
    if (!found) {
      const bool of_bits = !find_numeric_mode(mode, wanted_bits);
      throw CLI::ValidationError(of_bits ? "--expert-bits" : "--kv-cache-dtype",
                                 found.error().message);
    }
    mode = found->name;
  });
}

}  // namespace baton::checkpoint
