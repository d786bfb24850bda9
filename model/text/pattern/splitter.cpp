#include "model/text/pattern/splitter.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace baton::text::pattern {
namespace {

using nlohmann::json;

constexpr int sequence_depth_max = 8;
constexpr size_t stages_max = 32;

// The pattern of ByteLevel's own split (use_regex), as GPT-2 published it.
constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Error malformed(std::string_view what) {
  return fail(ErrorCode::corrupt, "tokenizer.json: the pre_tokenizer has {}", what);
}

Result<SplitBehavior> behavior_named(const std::string& name) {
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  return malformed("a Split whose behavior is unknown");
}

// A flag of `node`, or nothing if it is there and no boolean.
bool flag(const json& node, const char* name, bool absent) {
  const auto found = node.find(name);
  return found != node.end() && found->is_boolean() ? found->get<bool>() : absent;
}

struct Cut {
  Span span;
  bool match;
};

void emit(std::vector<Cut>& cuts, SplitBehavior behavior, std::vector<Span>& out) {
  const size_t floor = out.size();
  const auto push = [&](Span span) {
    if (span.end > span.begin) out.push_back(span);
  };
  switch (behavior) {
    case SplitBehavior::removed:
      for (const auto& cut : cuts) {
        if (!cut.match) push(cut.span);
      }
      break;
    case SplitBehavior::isolated:
      for (const auto& cut : cuts) push(cut.span);
      break;
    case SplitBehavior::merged_with_previous: {
      bool after_match = false;
      for (const auto& cut : cuts) {
        if (cut.match && !after_match && out.size() > floor) {
          out.back().end = cut.span.end;
        } else {
          push(cut.span);
        }
        after_match = cut.match;
      }
      break;
    }
    case SplitBehavior::merged_with_next:
      for (size_t i = 0; i < cuts.size(); ++i) {
        const bool joins = cuts[i].match && i + 1 < cuts.size() && !cuts[i + 1].match;
        if (joins) {
          push({cuts[i].span.begin, cuts[i + 1].span.end});
          ++i;
        } else {
          push(cuts[i].span);
        }
      }
      break;
    case SplitBehavior::contiguous:
      for (size_t i = 0; i < cuts.size(); ++i) {
        if (i > 0 && cuts[i].match == cuts[i - 1].match && out.size() > floor) {
          out.back().end = cuts[i].span.end;
        } else {
          push(cuts[i].span);
        }
      }
      break;
  }
}

}  // namespace

Result<void> Splitter::read(const json& node, int depth, std::vector<Rule>& rules,
                            bool& byte_level) {
  if (node.is_null()) return {};
  if (depth > sequence_depth_max || rules.size() >= stages_max) return malformed("too many stages");
  const auto type = node.is_object() ? node.find("type") : node.end();
  if (!node.is_object() || type == node.end() || !type->is_string()) {
    return malformed("an entry without a type");
  }
  if (*type == "Sequence") {
    const auto list = node.find("pretokenizers");
    if (list == node.end() || !list->is_array()) return malformed("a Sequence without a list");
    for (const auto& entry : *list) BATON_CHECKED(read(entry, depth + 1, rules, byte_level));
    return {};
  }
  if (*type == "Split") {
    const auto pattern = node.find("pattern");
    const auto behavior = node.find("behavior");
    if (pattern == node.end() || !pattern->is_object() || pattern->size() != 1 ||
        !pattern->begin().value().is_string() || behavior == node.end() || !behavior->is_string()) {
      return malformed("a Split without pattern or behavior");
    }
    Rule rule;
    const auto& source = pattern->begin().value().get_ref<const std::string&>();
    if (pattern->begin().key() == "Regex") {
      BATON_TRY(parsed, parse_pattern(source));
      rule.pattern = std::move(parsed);
    } else {
      rule.pattern = literal_pattern(source);
    }
    BATON_TRY(named, behavior_named(behavior->get_ref<const std::string&>()));
    rule.behavior = named;
    rule.invert = flag(node, "invert", false);
    rules.push_back(std::move(rule));
    return {};
  }
  if (*type == "Digits") {
    const bool individual = flag(node, "individual_digits", false);
    BATON_TRY(parsed, parse_pattern(individual ? "\\p{N}" : "\\p{N}+"));
    rules.push_back({std::move(parsed), SplitBehavior::isolated, false});
    return {};
  }
  if (*type == "ByteLevel") {
    if (flag(node, "add_prefix_space", true)) {
      return fail(ErrorCode::unsupported,
                  "tokenizer.json: ByteLevel with add_prefix_space is not supported");
    }
    byte_level = true;
    if (!flag(node, "use_regex", true)) return {};
    BATON_TRY(parsed, parse_pattern(gpt2_pattern));
    rules.push_back({std::move(parsed), SplitBehavior::isolated, false});
    return {};
  }
  return fail(ErrorCode::unsupported, "tokenizer.json: the pre_tokenizer {} is not supported",
              type->get_ref<const std::string&>());
}

Result<Splitter> Splitter::build(std::vector<Rule> rules, bool byte_level) {
  Splitter splitter;
  splitter.byte_level_ = byte_level;
  if (rules.empty()) return splitter;
  std::vector<ParsedPattern> patterns;
  for (auto& rule : rules) patterns.push_back(std::move(rule.pattern));
  BATON_TRY(alphabet, Alphabet::build(patterns));
  for (size_t i = 0; i < rules.size(); ++i) {
    BATON_TRY(regex, Regex::compile(alphabet.rewrite(patterns[i])));
    splitter.stages_.push_back({std::move(regex), rules[i].behavior, rules[i].invert});
  }
  splitter.alphabet_.push_back(std::move(alphabet));
  return splitter;
}

Result<Splitter> Splitter::from_json(const json& pre_tokenizer) {
  std::vector<Rule> rules;
  bool byte_level = false;
  BATON_CHECKED(read(pre_tokenizer, 0, rules, byte_level));
  return build(std::move(rules), byte_level);
}

Result<Splitter> Splitter::from_pattern(std::string_view regex) {
  BATON_TRY(parsed, parse_pattern(regex));
  std::vector<Rule> rules;
  rules.push_back({std::move(parsed), SplitBehavior::isolated, false});
  return build(std::move(rules), false);
}

Result<void> Splitter::apply(const Stage& stage, std::string_view symbols,
                             const std::vector<Span>& pieces, std::vector<Span>& out) {
  Regex::Scratch scratch;
  std::vector<Cut> cuts;
  for (const Span piece : pieces) {
    const auto subject = symbols.substr(piece.begin, piece.end - piece.begin);
    const auto cut = [&](size_t begin, size_t end, bool match) {
      const auto at = [&](size_t x) { return static_cast<uint32_t>(piece.begin + x); };
      cuts.push_back({{at(begin), at(end)}, match != stage.invert});
    };
    cuts.clear();
    size_t done = 0;
    for (size_t from = 0; from <= subject.size();) {
      BATON_TRY(found, stage.regex.find(subject, from, scratch));
      if (!found) break;
      if (found->begin > done) cut(done, found->begin, false);
      cut(found->begin, found->end, true);
      done = found->end;
      from = found->end > found->begin ? found->end : found->end + 1;
    }
    if (done < subject.size()) cut(done, subject.size(), false);
    emit(cuts, stage.behavior, out);
  }
  return {};
}

Result<std::vector<Span>> Splitter::split(std::string_view text) const {
  std::vector<Span> pieces;
  if (text.empty()) return pieces;
  if (stages_.empty()) return std::vector<Span>{{0, static_cast<uint32_t>(text.size())}};
  const SymbolText symbols = alphabet_.front().transcode(text);
  pieces.push_back({0, static_cast<uint32_t>(symbols.symbols.size())});
  std::vector<Span> next;
  for (const auto& stage : stages_) {
    next.clear();
    BATON_CHECKED(apply(stage, symbols.symbols, pieces, next));
    pieces.swap(next);
  }
  for (auto& piece : pieces) {
    piece = {symbols.byte_offset(piece.begin), symbols.byte_offset(piece.end)};
  }
  return pieces;
}

}  // namespace baton::text::pattern
