#include "deploy/announce.h"

#include <cstdio>

namespace baton::deploy {

void announce_ready(const std::string& address, const std::string& model, bool tls) {
  const char* scheme = tls ? "https" : "http";
  std::printf("ready %s://%s\n", scheme, address.c_str());
  std::fflush(stdout);
  std::fprintf(stderr,
               "\nTry it from another terminal:\n  curl -s %s://%s/v1/chat/completions "
               "-H 'content-type: application/json' \\\n    -d '{\"model\":\"%s\",\"messages\":"
               "[{\"role\":\"user\",\"content\":\"What is 37 + 48?\"}],\"temperature\":0}'\n"
               "or open %s://%s/ in a browser.\n\n",
               scheme, address.c_str(), model.substr(0, model.find(',')).c_str(), scheme,
               address.c_str());
}

}  // namespace baton::deploy
