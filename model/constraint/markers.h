// markers: tokens that are no text, as a form may ask for them: those around calls of tools.
//
// In an automaton each is one byte that UTF-8 has no use for. A vocabulary gives a marker's token
// that byte, and no bytes to tokens of text that hold such a byte, so that neither is ever taken
// for the other. Thread safety: pure functions.
#pragma once

#include <string_view>

namespace baton::constraint {

// What stands for the token of this spelling; empty: it is none of the markers.
std::string_view marker_byte(std::string_view spelled);

// Bytes that would be taken for a marker; no text has any.
bool holds_marker_byte(std::string_view bytes);

}  // namespace baton::constraint
