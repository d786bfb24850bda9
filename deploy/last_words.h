// last_words: why a daemon ended, in a few words, from the end of its log.
//
// Reads what a daemon says when it gives up or finds an invariant broken, and what mpirun says of a
// rank that died. Thread safety: pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace baton::deploy {

// "baton-decode (rank 3): the reason", "baton: broken invariant: ..."; where no daemon has said
// why, "rank 3 exited on signal 9 (Killed)". The last of its kind wins.
std::optional<std::string> last_words(std::string_view log);

}  // namespace baton::deploy
