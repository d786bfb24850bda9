#include "server/http/gzip.h"

#include <gtest/gtest.h>

#include <boost/beast/zlib/inflate_stream.hpp>
#include <boost/crc.hpp>

namespace baton::server::http {
namespace {

std::string gunzip(std::string_view bytes, size_t size) {
  namespace zlib = boost::beast::zlib;
  zlib::inflate_stream stream;
  std::string out(size + 1, '\0');
  zlib::z_params params;
  params.next_in = bytes.data() + 10;
  params.avail_in = bytes.size() - 18;
  params.next_out = out.data();
  params.avail_out = out.size();
  boost::beast::error_code error;
  stream.write(params, zlib::Flush::finish, error);
  EXPECT_EQ(error, zlib::error::end_of_stream);
  out.resize(out.size() - params.avail_out);
  return out;
}

uint32_t little(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  return value;
}

TEST(Gzip, what_is_packed_can_be_unpacked) {
  std::string noise;
  for (uint32_t i = 0; i < 100'000; ++i) noise += static_cast<char>(i * 2654435761u >> 24);
  for (const std::string& text :
       {std::string(), std::string("a"), std::string(1 << 20, 'x'), noise}) {
    const std::string packed = gzip(text);
    EXPECT_TRUE(packed.starts_with("\x1f\x8b\x08"));
    EXPECT_EQ(gunzip(packed, text.size()), text);
    boost::crc_32_type checksum;
    checksum.process_bytes(text.data(), text.size());
    EXPECT_EQ(little(packed.substr(packed.size() - 8)), checksum.checksum());
    EXPECT_EQ(little(packed.substr(packed.size() - 4)), text.size());
  }
  EXPECT_LT(gzip(std::string(1 << 20, 'x')).size(), 10'000u);
}

TEST(Gzip, is_for_who_asks_for_it) {
  for (const char* yes : {"gzip", "gzip, deflate, br", "br;q=1.0, GZIP;q=0.8", "deflate,gzip"}) {
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  }
  for (const char* no : {"", "deflate", "gzip;q=0", "gzip; q=0.000", "x-gzip", "*"}) {
    EXPECT_FALSE(accepts_gzip(no)) << no;
  }
}

}  // namespace
}  // namespace baton::server::http
