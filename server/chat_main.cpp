// baton-chat: a conversation with a served model, in a terminal.
#include <unistd.h>

#include <iostream>
#include <sstream>

#include "base/system/options.h"
#include "model/checkpoint/strict_json.h"
#include "server/chat/terminal.h"

namespace {

using namespace baton;

// The first key of the file.
Result<std::string> read_key(const std::string& file) {
  BATON_TRY(text, checkpoint::read_text_file(file, 1 << 20));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line[0] != '#' && !line.starts_with("sha256:")) return line;
  }
  return fail(ErrorCode::invalid_argument, "{} has no key in it.", file);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"baton-chat: talk to a served model in a terminal."};
  std::string url = "http://127.0.0.1:8000", key_file, once;
  server::chat::TerminalOptions options;
  auto& talk = options.conversation;
  app.add_option("--url", url, "Where the server is")->capture_default_str();
  app.add_option("--ca-cert", options.ca_file,
                 "Certificates (PEM) that are trusted besides the system's, for https");
  app.add_option("--model", talk.model, "Name of the model [the server's only one]");
  app.add_option("--system", talk.system, "What the model is told before the conversation");
  app.add_option("--temperature", talk.temperature, "Sampling temperature; 0 is greedy");
  app.add_option("--max-tokens", talk.max_tokens, "Tokens of an answer at most");
  app.add_option("--api-key", options.api_key, "Key of the server; better as BATON_API_KEY");
  app.add_option("--api-key-file", key_file, "File whose first key is sent");
  app.add_option("--once", once, "Ask this one question and end");
  if (const auto status = baton::parse_options(app, argc, argv)) return *status;

  auto parsed = server::client::Url::parse(url);
  if (!parsed) {
    std::cerr << parsed.error().message << '\n';
    return 2;
  }
  options.url = *parsed;
  if (!key_file.empty()) {
    auto key = read_key(key_file);
    if (!key) {
      std::cerr << key.error().message << '\n';
      return 2;
    }
    options.api_key = *key;
  }
  options.interactive = once.empty() && ::isatty(STDIN_FILENO);
  const SystemClock clock;
  server::chat::Terminal terminal(options, clock, std::cin, std::cout, std::cerr);
  if (!once.empty()) return terminal.ask(once) ? 0 : 1;
  return terminal.loop();
}
