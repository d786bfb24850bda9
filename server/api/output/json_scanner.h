// JsonScanner: follows one JSON object byte by byte, whatever the split of its bytes.
//
// It says where the object ends and where it stops being JSON, so that the arguments of a call can
// be passed on while they come. It builds nothing. Strict: what it accepts as a whole, a parser
// does too (but for bad UTF-8 and lone surrogates, which are somebody else's to judge).
// Memory: one byte a level. Thread safety: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::server::api {

class JsonScanner {
 public:
  enum class State : uint8_t { open, complete, broken };

  // How many bytes of `text` belong to the object: all of them, or those up to its end, or those
  // before the first that can't be.
  size_t feed(std::string_view text);
  State state() const { return state_; }

 private:
  enum class Want : uint8_t {
    object,         // the opening brace
    key_or_end,     // after {
    key,            // after , in an object
    colon,          //
    value,          // after : or ,
    value_or_end,   // after [
    comma_or_end,   // after a value
    string_text,    //
    string_escape,  // after a backslash
    string_hex,     // of \uXXXX
    number,         //
    literal,        // true, false, null
  };
  static constexpr size_t kDepthMax = 128;

  bool step(char c);
  bool begin_value(char c);
  bool in_string(char c);
  bool in_number(char c);
  bool in_literal(char c);
  bool after_value(char c);
  bool open(char bracket);
  bool close(char bracket);

  State state_ = State::open;
  Want want_ = Want::object;
  std::string nesting_;       // the open brackets
  std::string_view literal_;  // what is left of it
  bool is_key_ = false;       // of the string that is read
  uint8_t hex_ = 0;
  uint8_t number_ = 0;  // where in a number we are
};

}  // namespace baton::server::api
