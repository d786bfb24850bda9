// Result<T>: an expected failure is a value; check(): a broken invariant stops the process.
//
// Every fallible function of Baton returns Result<T>. Exceptions of libraries end at the edge that
// calls the library. An Error's message is one clear sentence for the person who can act on it.
// Thread safety: values, no shared state.
#pragma once

#include <fmt/format.h>

#include <boost/system/result.hpp>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace baton {

enum class ErrorCode : uint8_t {
  invalid_argument,    // the caller's mistake; trying again changes nothing
  not_found,           // no such model, file, tensor, session
  unsupported,         // well formed, but not something this build or model can do
  corrupt,             // stored or transferred data contradict themselves
  resource_exhausted,  // a limit is reached; later may work
  unavailable,         // a peer or a resource is not there now; later may work
  deadline_exceeded,
  cancelled,
  internal,  // a defect of Baton's own
};

std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // one sentence
  std::string param;    // the request's field at fault, where there is one
};

// Found by argument-dependent lookup when result.value() is called on an error: a defect.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw std::logic_error(error.message);
}

template <class T>
using Result = boost::system::result<T, Error>;

// fail(code, "sentence with {}", x): the error branch of any Result.
template <class... Args>
[[nodiscard]] Error fail(ErrorCode code, fmt::format_string<Args...> text, Args&&... args) {
  return Error{code, fmt::format(text, std::forward<Args>(args)...), {}};
}

// Stops the process with a sentence, in production too, if an invariant is broken.
[[noreturn]] void broken_invariant(std::string_view sentence, const std::source_location& where);

inline void check(bool holds, std::string_view sentence,
                  const std::source_location& where = std::source_location::current()) {
  if (!holds) [[unlikely]]
    broken_invariant(sentence, where);
}

}  // namespace baton

// BATON_TRY(name, expression): unwraps a Result into `name`, or returns its error to the caller.
#define BATON_TRY(name, ...)                        \
  auto name##_result = (__VA_ARGS__);               \
  if (!name##_result) return name##_result.error(); \
  auto& name = *name##_result

// BATON_CHECKED(expression): the same for a Result<void>.
#define BATON_CHECKED(...)                                              \
  if (auto baton_checked_result = (__VA_ARGS__); !baton_checked_result) \
  return baton_checked_result.error()
