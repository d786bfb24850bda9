#include "deploy/announce.h"

#include <cstdio>

namespace baton::deploy {

void announce_ready(const std::string& address, const std::string& model) {
  std::printf("ready http://%s\n", address.c_str());
  std::fflush(stdout);
  std::fprintf(stderr,
               "\nTry it from another terminal:\n  curl -s http://%s/v1/chat/completions "
               "-H 'content-type: application/json' \\\n    -d '{\"model\":\"%s\",\"messages\":"
               "[{\"role\":\"user\",\"content\":\"What is 37 + 48?\"}],\"temperature\":0}'\n\n",
               address.c_str(), model.c_str());
}

}  // namespace baton::deploy
