// Splitter: cuts a text into the pieces that byte-pair encoding works on, as the `pre_tokenizer` of
// a tokenizer.json says.
//
// Stages run one after another, each on the pieces of the one before it, and no pattern sees beyond
// its piece. Known: Sequence, Split (Regex or String; all behaviors; invert), Digits, ByteLevel
// (without add_prefix_space). Cost: linear for the published patterns. Thread safety: const.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/pattern/alphabet.h"
#include "model/text/pattern/regex.h"

namespace baton::text::pattern {

struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;

  bool operator==(const Span&) const = default;
};

enum class SplitBehavior : uint8_t {
  removed,               // matches are dropped
  isolated,              // a match is a piece
  merged_with_previous,  // a match ends the piece before it
  merged_with_next,      // a match begins the piece after it
  contiguous,            // neighbouring matches are one piece
};

class Splitter {
 public:
  // `pre_tokenizer` of a tokenizer.json; may be null.
  static Result<Splitter> from_json(const nlohmann::json& pre_tokenizer);
  // One pattern whose matches are the pieces.
  static Result<Splitter> from_pattern(std::string_view regex);

  // The pieces as byte ranges, in order; none is empty.
  Result<std::vector<Span>> split(std::string_view text) const;
  // True if tokens are spelled in the byte alphabet of GPT-2.
  bool byte_level() const { return byte_level_; }

 private:
  struct Rule {
    ParsedPattern pattern;
    SplitBehavior behavior = SplitBehavior::isolated;
    bool invert = false;
  };
  struct Stage {
    Regex regex;
    SplitBehavior behavior;
    bool invert;
  };

  static Result<void> read(const nlohmann::json& node, int depth, std::vector<Rule>& rules,
                           bool& byte_level);
  static Result<Splitter> build(std::vector<Rule> rules, bool byte_level);
  static Result<void> apply(const Stage& stage, std::string_view symbols,
                            const std::vector<Span>& pieces, std::vector<Span>& out);

  std::vector<Stage> stages_;
  std::vector<Alphabet> alphabet_;  // one, or none if there are no stages
  bool byte_level_ = false;
};

}  // namespace baton::text::pattern
