// The flags `--mode`, `--expert-bits` and `--kv-cache-dtype`, which together name a numeric mode.
//
// A daemon that others start has `--mode` alone: the name says all, and what the environment says
// of the others is for whoever chooses the mode. Thread safety: one thread, while options are
// parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace baton::checkpoint {

// `mode` becomes the name that the flag gives; what there is none of is refused while options are
// parsed. It lives as long as the app.
void add_mode_option(CLI::App& app, std::string& mode);
// All flags: `mode` becomes the name of the mode that they ask for, from whichever place and in
// whichever order they come. They are put together by the app's final callback.
void add_mode_options(CLI::App& app, std::string& mode);

}  // namespace baton::checkpoint
