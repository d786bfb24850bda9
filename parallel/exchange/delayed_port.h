// delayed_port: another port, with a slower link between virtual hosts.
//
// A message between two hosts arrives `delay` after it was sent, never earlier; inside a host as
// fast as the port carries it. Ranks share one monotonic clock, so it works on one machine only:
// it shows there what a network would. Thread safety: as the port's.
#pragma once

#include <memory>

#include "base/clock.h"
#include "parallel/exchange/port.h"

namespace baton::parallel {

std::unique_ptr<Port> delayed_port(std::unique_ptr<Port> port, uint32_t ranks_per_host,
                                   Duration delay, const Clock& clock);

}  // namespace baton::parallel
