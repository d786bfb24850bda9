// What must hold of the scheduler after every step; a sentence if it does not. Called in tests, in
// simulation and when the daemon is idle. Cost: linear in everything it knows.
#pragma once

#include <optional>
#include <string>

#include "scheduler/scheduler_state.h"

namespace baton::scheduler {

std::optional<std::string> broken_invariant(const Registry& registry);
std::optional<std::string> broken_invariant(const Charges& charges);
std::optional<std::string> broken_invariant(const SchedulerState& state);

}  // namespace baton::scheduler
