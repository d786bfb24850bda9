#include "server/client/event_reader.h"

#include <gtest/gtest.h>

namespace baton::server::client {
namespace {

TEST(EventReader, any_split_gives_the_same_data) {
  const std::string stream = "data: a b\n\n: comment\n\nevent: x\ndata:c\r\n\r\ndata: [DONE]\n\n";
  for (size_t step = 1; step <= stream.size(); ++step) {
    EventReader reader;
    std::vector<std::string> all;
    for (size_t at = 0; at < stream.size(); at += step) {
      for (auto& data : reader.feed(std::string_view(stream).substr(at, step))) {
        all.push_back(std::move(data));
      }
    }
    EXPECT_EQ(all, (std::vector<std::string>{"a b", "c", "[DONE]"})) << step;
  }
}

}  // namespace
}  // namespace baton::server::client
