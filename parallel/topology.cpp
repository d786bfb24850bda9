#include "parallel/topology.h"

namespace baton::parallel {

Topology::Topology(const Layout& layout)
    : tp_(layout.tp),
      ranks_(layout.ranks()),
      ranks_per_host_(layout.ranks_per_host == 0 ? layout.ranks() : layout.ranks_per_host) {
  check(tp_ > 0 && ranks_ > 0 && ranks_per_host_ % tp_ == 0 && ranks_ % ranks_per_host_ == 0,
        "a topology is made of a layout that was checked: hosts alike, of whole groups");
}

}  // namespace baton::parallel
