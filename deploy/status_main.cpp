// baton-status: what a running cluster's pools hold, who holds it and what waits.
#include <iostream>

#include "base/io/daemon.h"
#include "base/system/options.h"
#include "deploy/kv_table.h"
#include "server/client/http_stream.h"

namespace {

using namespace baton;

Result<std::string> ask(const std::string& url, const std::string& ca_file,
                        server::client::Post get) {
  BATON_TRY(parsed, server::client::Url::parse(url));
  BATON_TRY(server, server::client::Server::find(parsed, ca_file));
  std::string body;
  BATON_TRY(outcome, server::client::post_stream(
                         server, get, [&](int, std::string_view piece) { body += piece; }));
  if (outcome.status == 200 && outcome.complete) return body;
  return fail(ErrorCode::unavailable, "{}{} was answered with status {}: {}", url, get.path,
              outcome.status, body.substr(0, 500));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Says what the pools of a running cluster hold, who holds it and what waits."};
  std::string url = "http://127.0.0.1:8000", ca_file;
  server::client::Post get{"/debug/kv", "", "", true};
  bool kv = true, json = false;
  app.add_option("--url", url, "where the server is")->capture_default_str();
  app.add_option("--ca-cert", ca_file,
                 "certificates (PEM) that are trusted besides the system's, for https");
  app.add_option("--api-key", get.api_key, "key of the server; better as BATON_API_KEY");
  app.add_flag("--kv", kv, "pages of every pool [what is shown anyway]");
  app.add_flag("--json", json, "as the server says it");
  if (const auto status = parse_options(app, argc, argv)) return *status;
  auto said = ask(url, ca_file, std::move(get));
  if (said && !json) said = deploy::kv_table(*said);
  if (!said) return report_failure("baton-status", said.error());
  std::cout << *said << (json ? "\n" : "");
  return 0;
}
