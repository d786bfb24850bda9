#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace baton {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::unsupported:
      return "unsupported";
    case ErrorCode::corrupt:
      return "corrupt";
    case ErrorCode::resource_exhausted:
      return "resource_exhausted";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::deadline_exceeded:
      return "deadline_exceeded";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::internal:
      return "internal";
  }
  return "internal";
}

void broken_invariant(std::string_view sentence, const std::source_location& where) {
  std::fprintf(stderr, "baton: broken invariant: %.*s (%s:%u)\n", static_cast<int>(sentence.size()),
               sentence.data(), where.file_name(), where.line());
  std::abort();
}

}  // namespace baton
