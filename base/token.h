// The number of a token in its vocabulary, and a position in a sequence (0 is the first token).
// Thread safety: values.
#pragma once

#include <cstdint>

namespace baton {

using TokenId = uint32_t;
using Position = uint32_t;

}  // namespace baton
