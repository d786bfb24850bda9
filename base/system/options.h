// Options of a program: command line over environment (BATON_<FLAG>) over default.
//
// An unknown flag or a bad value ends the program with status 2 and its name; --help with 0.
// Thread safety: main only.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace baton {

inline constexpr const char* kVersion = "0.1.0";

// Adds --version and binds every option added so far to its environment variable.
// Returns the status to leave main with, or nothing to go on.
std::optional<int> parse_options(CLI::App& app, int argc, char** argv);

// "64M", "2G", "1024": a number of bytes.
CLI::Option* add_bytes_option(CLI::App& app, const std::string& flag, size_t& bytes,
                              const std::string& help);

// Whether the environment gives this flag a value; known once parse_options has named the flags.
bool set_in_environment(const CLI::Option& option);

}  // namespace baton
