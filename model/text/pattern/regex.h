// Regex: one compiled pattern over bytes, a thin owner of PCRE2 with its just-in-time compiler.
//
// It knows nothing of Unicode (see Alphabet). It runs the patterns of tokenizer files, never one of
// a request. Matching never fails for the length of the text: where the compiled code runs out of
// stack the interpreter takes over. Thread safety: a Regex is const; a Scratch is of one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace baton::text::pattern {

struct Match {
  size_t begin = 0;
  size_t end = 0;
};

class Regex {
 public:
  // What one thread needs while it matches.
  class Scratch {
   public:
    Scratch();

   private:
    friend class Regex;
    struct Free {
      void operator()(pcre2_real_match_data_8* data) const;
      void operator()(pcre2_real_match_context_8* context) const;
    };
    std::unique_ptr<pcre2_real_match_data_8, Free> data_;
    std::unique_ptr<pcre2_real_match_context_8, Free> context_;
  };

  static Result<Regex> compile(std::string_view pattern);

  // The leftmost match that begins at `from` or later; may be empty.
  Result<std::optional<Match>> find(std::string_view subject, size_t from, Scratch& scratch) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Free> code_;
};

}  // namespace baton::text::pattern
