#include "server/http/message.h"

#include <gtest/gtest.h>

namespace baton::server::http {
namespace {

TEST(Message, find_gives_the_first_field_of_a_name) {
  const Fields fields = {{"a", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(find(fields, "a"), "1");
  EXPECT_EQ(find(fields, "c"), "");
}

TEST(Message, a_whole_answer_tells_its_length_and_how_long_the_connection_is_kept) {
  Response response{200, {{"Content-Type", "text/plain"}}, "hello"};
  EXPECT_EQ(encode_head(response, {}),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
            "Connection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\n");
}

TEST(Message, a_stream_is_chunked_and_has_no_length) {
  const std::string head = encode_head({200, {}, ""}, {.keep_alive = false, .chunked = true});
  EXPECT_EQ(head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
}

TEST(Message, a_stream_for_who_knows_no_chunks_has_no_length_either) {
  const std::string head = encode_head({200, {}, ""}, {.keep_alive = false, .until_close = true});
  EXPECT_EQ(head, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

TEST(Message, no_content_has_no_length) {
  EXPECT_EQ(encode_head({204, {}, ""}, {}).find("Content-Length"), std::string::npos);
}

TEST(Message, a_chunk_is_its_length_in_hex_and_its_bytes) {
  std::string out;
  append_chunk(out, "0123456789abcdef!");
  EXPECT_EQ(out, "11\r\n0123456789abcdef!\r\n");
  append_chunk(out, "");  // would end the body
  EXPECT_EQ(out.size(), 23u);
}

TEST(Message, percent_decoding_leaves_broken_escapes_alone) {
  EXPECT_EQ(percent_decode("a%2Fb%20c"), "a/b c");
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
}

TEST(Message, names_are_compared_without_case) {
  EXPECT_TRUE(equals_ignoring_case("Content-Length", "content-length"));
  EXPECT_FALSE(equals_ignoring_case("content-length", "content-lengt"));
}

}  // namespace
}  // namespace baton::server::http
