// Writing JSON by hand, in a fixed order of keys and without a tree: answers are streams of many
// small objects, and clients depend on their order and shape. Thread safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::server::api {

// A quoted string. What is no UTF-8 becomes U+FFFD, so the output is always valid.
void append_json_string(std::string& out, std::string_view text);

// A JSON text in which no string spells half of a surrogate pair: many parsers refuse those, and
// with them all that is around. Each becomes \ufffd.
std::string without_half_surrogates(std::string_view json);

// The shortest number that reads back the same; what JSON has no number for (-inf) is -9999.0.
void append_json_number(std::string& out, float value);
void append_json_number(std::string& out, double value);
void append_json_number(std::string& out, uint64_t value);

// One server-sent event: LF only, one space behind the colon, one line.
void append_event(std::string& out, std::string_view json);
inline constexpr std::string_view kDoneEvent = "data: [DONE]\n\n";

}  // namespace baton::server::api
