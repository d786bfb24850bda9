// last_words: why a daemon ended, in a few words, from the end of its log.
//
// Reads what mpirun says of a rank that died and what a daemon says when it gives up. Thread
// safety: pure, but for reading the file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace baton::deploy {

// "rank 3 exited on signal 9 (Killed)", "baton-decode (rank 3): the reason"; the last one wins.
std::optional<std::string> last_words(std::string_view log);
std::optional<std::string> last_words_of(const std::filesystem::path& file);

}  // namespace baton::deploy
