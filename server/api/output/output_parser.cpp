#include "server/api/output/output_parser.h"

#include <algorithm>

namespace baton::server::api {

using Kind = OutputEvent::Kind;

PartParams parts_of(const OutputRules& rules, const SpecialTokens& special,
                    std::optional<uint32_t> reasoning_max) {
  PartParams parts;
  if (rules.splits_reasoning) {
    parts.markers.push_back({*special.think_begin, Part::reasoning});
    parts.markers.push_back({*special.think_end, Part::content});
    parts.reasoning_max = reasoning_max;
  }
  if (rules.parses_calls) {
    for (const auto& token : {special.tool_calls_begin, special.tool_call_begin, special.tool_sep,
                              special.tool_call_end}) {
      parts.markers.push_back({*token, Part::tool});
    }
    parts.markers.push_back({*special.tool_calls_end, Part::content});
  }
  std::ranges::sort(parts.markers, {}, &Marker::token);
  if (rules.begins_reasoning) parts.first = Part::reasoning;
  if (!rules.call_begun.empty()) parts.first = Part::tool;
  return parts;
}

OutputParser::OutputParser(const OutputRules& rules, const TextModel& model)
    : rules_(&rules),
      model_(&model),
      calls_(rules.tools),
      reasons_(rules.begins_reasoning),
      at_begin_(rules.begins_reasoning) {
  for (const TokenId token : rules.call_begun) {
    if (!marker(token, pending_)) say(model.token_bytes(token), pending_);
  }
}

void OutputParser::push(TokenId token, std::string_view text, bool last,
                        std::vector<OutputEvent>& events) {
  if (!pending_.empty()) {
    events.insert(events.end(), pending_.begin(), pending_.end());
    pending_.clear();
  }
  say(text, events);
  const bool reasoned = reasons_;
  if (!marker(token, events) && reasoned) ++reasoning_tokens_;
  if (last) calls_.finish(events);
}

void OutputParser::say(std::string_view text, std::vector<OutputEvent>& events) {
  if (calls_.active()) {
    calls_.text(text, events);
  } else {
    say_part(text, events);
  }
}

void OutputParser::say_part(std::string_view text, std::vector<OutputEvent>& events) {
  if (at_begin_) {
    const size_t first = text.find_first_not_of('\n');
    if (first == std::string_view::npos) return;
    text.remove_prefix(first);
    at_begin_ = false;
  }
  if (!reasons_) return append_event_text(events, Kind::content, text);
  const size_t last = text.find_last_not_of('\n');
  if (last == std::string_view::npos) {
    held_ += text;
    return;
  }
  append_event_text(events, Kind::reasoning, held_);
  append_event_text(events, Kind::reasoning, text.substr(0, last + 1));
  held_ = text.substr(last + 1);
}

std::optional<ToolMarker> OutputParser::tool_marker(TokenId token) const {
  const SpecialTokens& special = model_->facts().special;
  if (token == special.tool_calls_begin) return ToolMarker::calls_begin;
  if (token == special.tool_calls_end) return ToolMarker::calls_end;
  if (token == special.tool_call_begin) return ToolMarker::call_begin;
  if (token == special.tool_call_end) return ToolMarker::call_end;
  if (token == special.tool_sep) return ToolMarker::sep;
  return std::nullopt;
}

// Whether the token is one; its part of the text has been said.
bool OutputParser::marker(TokenId token, std::vector<OutputEvent>& events) {
  const SpecialTokens& special = model_->facts().special;
  if (rules_->splits_reasoning && (token == special.think_begin || token == special.think_end)) {
    calls_.finish(events);
    held_.clear();
    reasons_ = token == special.think_begin;
    at_begin_ = true;
    return true;
  }
  if (!rules_->parses_calls) return false;
  const auto marker = tool_marker(token);
  if (!marker) return false;
  if (reasons_) {  // a call ends reasoning that wasn't ended
    held_.clear();
    reasons_ = at_begin_ = false;
  }
  calls_.marker(*marker, model_->token_bytes(token), events);
  return true;
}

}  // namespace baton::server::api
