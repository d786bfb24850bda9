#include "decode/output_text.h"

#include <algorithm>
#include <utility>

#include "base/result.h"

namespace baton::decode {

OutputText::OutputText(const text::Tokenizer& tokenizer, const RequestState& request,
                       ChoiceIndex choice, const std::vector<TokenId>& end_tokens)
    : detokenizer_(tokenizer, request.report.skip_special_tokens),
      parts_(request.parts),
      strings_(request.stop.strings),
      stop_tokens_(request.stop.tokens),
      choice_(choice),
      min_tokens_(request.stop.min_tokens),
      max_tokens_(request.stop.max_tokens) {
  std::erase(strings_, std::string());
  stops_ = text::StopStrings(strings_, request.stop.include_string);
  if (!request.stop.ignore_eos || request.constraint)  // a form comes to an end
    stop_tokens_.insert(stop_tokens_.end(), end_tokens.begin(), end_tokens.end());
  std::sort(stop_tokens_.begin(), stop_tokens_.end());
  stop_tokens_.erase(std::unique(stop_tokens_.begin(), stop_tokens_.end()), stop_tokens_.end());
  if (!request.stop.include_string) return;
  for (const TokenId token : stop_tokens_) {
    const bool is_end = std::ranges::find(end_tokens, token) != end_tokens.end();
    if (!is_end && !parts_.is_marker(token)) said_stop_tokens_.push_back(token);
  }
}

TokenEvent OutputText::push(TokenId token) {
  check(!finished_, "a token follows the end of its choice");
  TokenEvent event;
  event.choice = choice_;
  event.index = tokens_++;
  event.token = token;
  const bool stops = std::ranges::binary_search(stop_tokens_, token);
  if (stops && !std::ranges::binary_search(said_stop_tokens_, token)) {
    finish(event, FinishReason::stop);  // the token itself is no text
    return event;
  }
  if (parts_.is_marker(token)) {
    end_part(event);
    parts_.push(token);
    if (!finished_ && tokens_ >= max_tokens_) finish(event, FinishReason::length);
    return event;
  }
  parts_.push(token);
  say(event, detokenizer_.push(token));
  if (finished_) return event;
  if (stops) {
    finish(event, FinishReason::stop);
  } else if (tokens_ >= max_tokens_) {
    finish(event, FinishReason::length);
  }
  return event;
}

void OutputText::say(TokenEvent& event, std::string text) {
  if (tokens_ <= min_tokens_ || parts_.part() != Part::content) {
    event.text = std::move(text);  // too early for a stop string, or not the place
    return;
  }
  text::StopStrings::Output out = stops_.feed(text);
  event.text = std::move(out.emit);
  if (!out.stopped) return;
  event.stop_string = strings_[*out.which];
  event.finish = FinishReason::stop;
  finished_ = true;
}

void OutputText::finish(TokenEvent& event, FinishReason reason) {
  finished_ = true;
  event.finish = reason;
  end_part(event);
}

// All that was held back belongs to the answer after all, unless it completes a stop string.
void OutputText::end_part(TokenEvent& event) {
  const std::string held = detokenizer_.flush();
  if (parts_.part() != Part::content) {
    event.text += held;
    return;
  }
  text::StopStrings::Output out = stops_.feed(held);
  event.text += out.emit;
  if (out.stopped) {
    finished_ = true;
    event.finish = FinishReason::stop;
    event.stop_string = strings_[*out.which];
  } else {
    event.text += stops_.flush();
  }
}

}  // namespace baton::decode
