// The flags `--mode` and `--expert-bits`, which together name a numeric mode.
//
// Thread safety: one thread, while options are parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace baton::checkpoint {

// `mode` becomes the name of the mode that both flags ask for; what there is none of is refused
// while options are parsed. It lives as long as the app.
void add_mode_options(CLI::App& app, std::string& mode);

}  // namespace baton::checkpoint
