#include "model/text/pattern/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <limits>
#include <new>

namespace baton::text::pattern {
namespace {

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

}  // namespace

void Regex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }
void Regex::Scratch::Free::operator()(pcre2_real_match_data_8* data) const {
  pcre2_match_data_free(data);
}
void Regex::Scratch::Free::operator()(pcre2_real_match_context_8* context) const {
  pcre2_match_context_free(context);
}

Regex::Scratch::Scratch()
    : data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
  if (!data_ || !context_) throw std::bad_alloc();
  constexpr uint32_t none = std::numeric_limits<uint32_t>::max();
  pcre2_set_match_limit(context_.get(), none);
  pcre2_set_depth_limit(context_.get(), none);
}

Result<Regex> Regex::compile(std::string_view pattern) {
  int code = 0;
  PCRE2_SIZE at = 0;
  Regex regex;
  regex.code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), 0,
                                  &code, &at, nullptr));
  if (!regex.code_) {
    return fail(ErrorCode::unsupported, "the tokenizer's pattern does not compile: {}",
                message_of(code));
  }
  // Without the compiler matching still works, slower.
  pcre2_jit_compile(regex.code_.get(), PCRE2_JIT_COMPLETE);
  return regex;
}

Result<std::optional<Match>> Regex::find(std::string_view subject, size_t from,
                                         Scratch& scratch) const {
  const auto* text = reinterpret_cast<PCRE2_SPTR>(subject.data());
  const auto match = [&](uint32_t options) {
    return pcre2_match(code_.get(), text, subject.size(), from, options, scratch.data_.get(),
                       scratch.context_.get());
  };
  int code = match(0);
  if (code == PCRE2_ERROR_JIT_STACKLIMIT) code = match(PCRE2_NO_JIT);
  if (code == PCRE2_ERROR_NOMATCH) return std::optional<Match>();
  if (code < 0) {
    return fail(ErrorCode::internal, "the tokenizer's pattern could not be matched: {}",
                message_of(code));
  }
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(scratch.data_.get());
  return std::optional(Match{bounds[0], bounds[1]});
}

}  // namespace baton::text::pattern
