// EventReader: the data of server-sent events, whatever the split of the bytes. Comments and other
// fields are skipped; lines may end in LF or CRLF. Pure. Thread safety: one object, one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace baton::server::client {

class EventReader {
 public:
  // The data lines that `bytes` completes.
  std::vector<std::string> feed(std::string_view bytes);

 private:
  std::string line_;
};

}  // namespace baton::server::client
