// The loop of baton-chat: reads lines, asks, shows the answer as it comes, and what it cost.
// Answers go to standard output; prompts, times and errors to standard error. Thread: main.
#pragma once

#include <iosfwd>
#include <string>

#include "base/clock.h"
#include "server/chat/conversation.h"
#include "server/client/http_stream.h"

namespace baton::server::chat {

struct TerminalOptions {
  client::Url url;
  std::string ca_file;  // see client::Server
  ConversationOptions conversation;
  std::string api_key;
  bool interactive = true;  // show a prompt
};

class Terminal {
 public:
  Terminal(TerminalOptions options, const Clock& clock, std::istream& in, std::ostream& out,
           std::ostream& notes);

  bool ask(const std::string& question);  // false if there was no answer
  int loop();                             // until the end of input or /quit; the program's status

 private:
  TerminalOptions options_;
  const Clock& clock_;
  std::istream& in_;
  std::ostream& out_;
  std::ostream& notes_;
  Conversation conversation_;
};

}  // namespace baton::server::chat
