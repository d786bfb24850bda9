// ToolParser: the calls in an answer, from between their markers, while they come.
//
// Both of DeepSeek's styles, told apart by what is there: V3.1's NAME <sep> ARGUMENTS and V3's and
// R1's function <sep> NAME, a fence, ARGUMENTS, a fence. A call is told once its name is known to
// be a tool's; its arguments as they come, as long as they are the beginning of a JSON object.
// Whatever else stands between the markers is told as content, with the markers spelled, so
// nothing that a model says is lost and nothing is an error. Any split of the text gives the same
// events. Memory: the text of one call. Thread safety: values; the names must outlive it.
#pragma once

#include <span>

#include "server/api/output/json_scanner.h"
#include "server/api/output/output_event.h"

namespace baton::server::api {

enum class ToolMarker : uint8_t { calls_begin, calls_end, call_begin, call_end, sep };

class ToolParser {
 public:
  explicit ToolParser(std::span<const std::string> names) : names_(names) {}

  // `spelled`: the marker as text.
  void marker(ToolMarker marker, std::string_view spelled, std::vector<OutputEvent>& events);
  // Text after a marker; only while active().
  void text(std::string_view text, std::vector<OutputEvent>& events);
  // The answer has ended, or goes on with something else.
  void finish(std::vector<OutputEvent>& events);

  bool active() const { return phase_ != Phase::outside; }
  uint32_t whole_calls() const { return whole_; }

 private:
  enum class Phase : uint8_t {
    outside,
    between,    // behind calls_begin or a call
    header,     // behind call_begin: the name (V3.1) or the type (V3)
    lead,       // behind sep: does the name follow, or the arguments?
    name,       // V3: up to the end of the line
    fence,      // V3: the fence and its language, up to the end of the line
    arguments,  //
    trailer,    // behind the arguments: space and, in V3, a fence
    failed,     // no call: all is content until the next
  };

  size_t read(std::string_view text, std::vector<OutputEvent>& events);
  size_t read_line(std::string_view text, std::vector<OutputEvent>& events);
  size_t take(std::string_view text, size_t bytes);
  bool is_bare() const;
  void begin_call(std::string name, std::vector<OutputEvent>& events);
  void end_call(std::vector<OutputEvent>& events);
  void fail(std::vector<OutputEvent>& events);

  std::span<const std::string> names_;
  Phase phase_ = Phase::outside;
  std::string raw_;   // what the model wrote since calls_begin or the last whole call
  std::string word_;  // header, name or fence line so far
  std::string header_;
  JsonScanner json_;
  size_t told_ = 0;     // bytes of raw_ up to the end of what was told as arguments
  uint32_t begun_ = 0;  // calls told
  uint32_t whole_ = 0;  // of these, with whole arguments
  bool open_ = false;   // a call was told and isn't ended
};

}  // namespace baton::server::api
