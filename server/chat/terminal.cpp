#include "server/chat/terminal.h"

#include <iostream>
#include <optional>

#include "server/client/event_reader.h"

namespace baton::server::chat {

Terminal::Terminal(TerminalOptions options, const Clock& clock, std::istream& in, std::ostream& out,
                   std::ostream& notes)
    : options_(std::move(options)),
      clock_(clock),
      in_(in),
      out_(out),
      notes_(notes),
      conversation_(options_.conversation) {}

bool Terminal::ask(const std::string& question) {
  conversation_.ask(question);
  client::EventReader events;
  std::string answer, error;
  uint64_t pieces = 0;
  std::optional<uint64_t> tokens;
  bool done = false;
  const Instant asked = clock_.now();
  std::optional<Instant> first;
  const auto on_body = [&](int status, std::string_view piece) {
    if (status != 200) {
      error += piece;
      return;
    }
    for (const auto& data : events.feed(piece)) {
      Heard heard = Conversation::hear(data);
      if (!heard.error.empty()) error = std::move(heard.error);
      if (heard.completion_tokens) tokens = heard.completion_tokens;
      done = done || heard.done;
      if (heard.text.empty()) continue;
      if (!first) first = clock_.now();
      ++pieces;
      answer += heard.text;
      out_ << heard.text << std::flush;
    }
  };
  const client::Post post{"/v1/chat/completions", conversation_.body(), options_.api_key};
  const auto outcome = [&]() -> Result<client::Outcome> {
    BATON_TRY(server, client::Server::find(options_.url, options_.ca_file));
    return client::post_stream(server, post, on_body);
  }();
  if (!outcome || outcome->status != 200) {
    if (outcome && outcome->interrupted) {
      notes_ << "[stopped]\n";
    } else {
      notes_ << (outcome ? Conversation::error_sentence(error) : outcome.error().message) << '\n';
    }
    conversation_.take_back();
    return false;
  }
  out_ << std::endl;
  if (!error.empty()) notes_ << "[the answer failed: " << error << "]\n";
  if (outcome->interrupted) notes_ << "[stopped]\n";
  const bool whole = done && outcome->complete && error.empty();
  if (!whole && error.empty() && !outcome->interrupted) notes_ << "[the answer was cut off]\n";
  if (first) {
    const double spoken = to_seconds(clock_.now() - *first);
    const double count = static_cast<double>(tokens.value_or(pieces));
    notes_ << fmt::format("[first token {:.0f} ms, {:.0f} tokens", to_seconds(*first - asked) * 1e3,
                          count);
    if (spoken > 0 && count > 1) notes_ << fmt::format(", {:.1f} tokens/s", (count - 1) / spoken);
    notes_ << "]\n";
  }
  conversation_.answered(std::move(answer));
  return whole || outcome->interrupted;
}

int Terminal::loop() {
  if (options_.interactive) notes_ << "/reset forgets the conversation, /quit ends.\n";
  std::string line;
  for (;;) {
    if (options_.interactive) notes_ << "> " << std::flush;
    if (!std::getline(in_, line) || line == "/quit") break;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (line == "/reset") {
      conversation_.reset();
      continue;
    }
    if (line.starts_with('/')) {
      notes_ << "There are /reset and /quit.\n";
      continue;
    }
    ask(line);
  }
  return 0;
}

}  // namespace baton::server::chat
