// The cluster as the console shows it: every instance with its layout, load and pages, and what all
// have done so far. Counters start anew with their process; rates are the reader's to make.
// Thread safety: pure functions.
#pragma once

#include "base/observe/metrics.h"
#include "proto/cluster.h"
#include "server/http/message.h"

namespace baton::server {

// `own`: what this gateway counts; `requests`: generations that it has under way.
http::Response cluster_response(const ClusterView& cluster, const MetricsSnapshot& own,
                                size_t requests);

}  // namespace baton::server
