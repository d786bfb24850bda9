#include "server/client/event_reader.h"

namespace baton::server::client {

std::vector<std::string> EventReader::feed(std::string_view bytes) {
  std::vector<std::string> data;
  for (const char c : bytes) {
    if (c != '\n') {
      line_ += c;
      continue;
    }
    if (line_.ends_with('\r')) line_.pop_back();
    if (line_.starts_with("data:")) {
      const size_t begin = line_.size() > 5 && line_[5] == ' ' ? 6 : 5;
      data.push_back(line_.substr(begin));
    }
    line_.clear();
  }
  return data;
}

}  // namespace baton::server::client
