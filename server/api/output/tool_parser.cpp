#include "server/api/output/tool_parser.h"

#include <algorithm>

namespace baton::server::api {

namespace {

constexpr size_t kWordBytesMax = 256;
using Kind = OutputEvent::Kind;

constexpr std::string_view kSpace = " \t\r\n";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

void ToolParser::marker(ToolMarker marker, std::string_view spelled,
                        std::vector<OutputEvent>& events) {
  switch (marker) {
    case ToolMarker::calls_begin:
      finish(events);
      phase_ = Phase::between;
      raw_ = spelled;
      return;
    case ToolMarker::call_begin:
      if (phase_ == Phase::trailer || is_bare()) {
        end_call(events);  // only the marker behind it is missing
      } else if (phase_ != Phase::between && phase_ != Phase::outside) {
        fail(events);
      }
      raw_ += spelled;
      word_.clear();
      header_.clear();
      json_ = {};
      phase_ = Phase::header;
      return;
    case ToolMarker::sep:
      raw_ += spelled;
      if (phase_ == Phase::header) {
        header_ = trim(word_);
        word_.clear();
        phase_ = Phase::lead;
      } else if (phase_ != Phase::outside) {
        fail(events);
      } else {
        append_event_text(events, Kind::content, raw_);
        raw_.clear();
      }
      return;
    case ToolMarker::call_end:
      raw_ += spelled;
      end_call(events);
      return;
    case ToolMarker::calls_end:
      raw_ += spelled;
      if (phase_ != Phase::between) {
        end_call(events);
      } else if (whole_ == 0) {  // no calls at all between the markers
        append_event_text(events, Kind::content, raw_);
      }
      raw_.clear();
      phase_ = Phase::outside;
      return;
  }
}

void ToolParser::text(std::string_view text, std::vector<OutputEvent>& events) {
  while (!text.empty()) text.remove_prefix(read(text, events));
}

// How much of the text belongs to this phase; 0 only if the phase has changed.
size_t ToolParser::read(std::string_view text, std::vector<OutputEvent>& events) {
  switch (phase_) {
    case Phase::outside:
    case Phase::failed:
      append_event_text(events, Kind::content, text);
      return text.size();
    case Phase::between:
      // Newlines between calls are none of anybody's business; anything else is content.
      if (!trim(text).empty()) return fail(events), 0;
      return take(text, text.size());
    case Phase::header:
      if (word_.size() + text.size() > kWordBytesMax) return fail(events), 0;
      word_ += text;
      return take(text, text.size());
    case Phase::lead: {
      const size_t first = text.find_first_not_of(kSpace);
      if (first == std::string_view::npos) return take(text, text.size());
      take(text, first);
      if (text[first] == '{') {
        begin_call(header_, events);
      } else {
        phase_ = Phase::name;
      }
      return first;
    }
    case Phase::name:
    case Phase::fence:
      return read_line(text, events);
    case Phase::arguments: {
      const size_t used = json_.feed(text);
      append_event_text(events, Kind::arguments, text.substr(0, used), begun_ - 1);
      take(text, used);
      told_ = raw_.size();
      if (json_.state() == JsonScanner::State::complete) phase_ = Phase::trailer;
      if (json_.state() == JsonScanner::State::broken) fail(events);
      return used;
    }
    case Phase::trailer: {
      const size_t other = text.find_first_not_of("` \t\r\n");
      if (other == std::string_view::npos) return take(text, text.size());
      end_call(events);  // what follows is no part of it
      phase_ = Phase::failed;
      return other;
    }
  }
  return text.size();
}

size_t ToolParser::take(std::string_view text, size_t bytes) {
  raw_ += text.substr(0, bytes);
  return bytes;
}

// V3: the line with the name, then the one that opens the fence.
size_t ToolParser::read_line(std::string_view text, std::vector<OutputEvent>& events) {
  const size_t newline = text.find('\n');
  const size_t used = newline == std::string_view::npos ? text.size() : newline + 1;
  if (word_.size() + used > kWordBytesMax) return fail(events), 0;
  word_ += text.substr(0, used);
  take(text, used);
  if (newline == std::string_view::npos) return used;
  if (phase_ == Phase::name) {
    header_ = trim(word_);
    phase_ = Phase::fence;
  } else if (trim(word_).starts_with("```")) {
    begin_call(header_, events);
  } else {
    fail(events);
  }
  word_.clear();
  return used;
}

void ToolParser::begin_call(std::string name, std::vector<OutputEvent>& events) {
  if (std::ranges::find(names_, name) == names_.end()) return fail(events);
  events.push_back({Kind::call, std::move(name), begun_++});
  open_ = true;
  told_ = raw_.size();
  phase_ = Phase::arguments;
}

// A tool without parameters may be called with nothing.
bool ToolParser::is_bare() const {
  return phase_ == Phase::lead && std::ranges::find(names_, header_) != names_.end();
}

void ToolParser::end_call(std::vector<OutputEvent>& events) {
  if (is_bare()) {
    begin_call(header_, events);
    append_event_text(events, Kind::arguments, "{}", begun_ - 1);
    phase_ = Phase::trailer;
  }
  if (phase_ == Phase::trailer) {
    events.push_back({Kind::call_end, {}, begun_ - 1});
    ++whole_;
    open_ = false;
    raw_.clear();
  } else if (phase_ == Phase::outside || phase_ == Phase::failed) {
    append_event_text(events, Kind::content, raw_);
    raw_.clear();
    if (phase_ == Phase::outside) return;
  } else if (phase_ != Phase::between) {
    fail(events);
  }
  phase_ = Phase::between;
}

// What stands here is no call: it is content, as the model wrote it.
void ToolParser::fail(std::vector<OutputEvent>& events) {
  if (open_) {
    events.push_back({Kind::call_broken, raw_, begun_ - 1, raw_.size() - told_});
    open_ = false;
  } else {
    append_event_text(events, Kind::content, raw_);
  }
  raw_.clear();
  phase_ = Phase::failed;
}

void ToolParser::finish(std::vector<OutputEvent>& events) {
  if (phase_ == Phase::trailer || is_bare()) {
    end_call(events);  // only the marker behind it is missing
  } else if (phase_ == Phase::between || phase_ == Phase::outside) {
    if (whole_ == 0) append_event_text(events, Kind::content, raw_);
  } else if (phase_ != Phase::failed) {
    fail(events);
  }
  raw_.clear();
  phase_ = Phase::outside;
}

}  // namespace baton::server::api
