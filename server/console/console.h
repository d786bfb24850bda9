// The console: the files of the page at "/", held in this program, and how they are answered.
//
// The files are static and served openly; the data that they show come from the API, which asks for
// the key. A content security policy keeps the page to this server and to its own scripts.
// Thread safety: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "server/http/message.h"

namespace baton::server {

struct ConsoleFile {
  std::string_view name;  // "index.html"
  std::string_view bytes;
};

// What the build has embedded (embed.cmake).
std::span<const ConsoleFile> console_files();

// The answer with that file; nothing where there is none of that name.
std::optional<http::Response> console_response(std::string_view name);

}  // namespace baton::server
