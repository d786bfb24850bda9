// Bus errors: a mapped file that is cut short while it is in use ends the process with a sentence.
//
// Reading a page that the file no longer has raises SIGBUS on whatever thread reads. Nothing can be
// computed from there on, so the process says which file it was and exits with status 1; who
// started it starts it again, and the file is then checked by name. A bus error elsewhere keeps its
// meaning. Thread safety: call once, from main.
#pragma once

namespace baton {

void explain_bus_errors();

}  // namespace baton
