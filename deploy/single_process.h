// Every role in one process, over the direct bodies of the links: a laptop's first look, a
// debugger's friend, and the reference for "same request, same bytes". Thread safety: main only.
#pragma once

#include "deploy/up_options.h"

namespace baton::deploy {

// Runs until SIGTERM or SIGINT and the drain after it; the status for main.
int run_single_process(const UpOptions& options);

}  // namespace baton::deploy
