#include "server/http/gzip.h"

#include <boost/beast/zlib/deflate_stream.hpp>
#include <boost/crc.hpp>
#include <cstdint>

#include "base/result.h"
#include "server/http/message.h"

namespace baton::server::http {

namespace {

namespace zlib = boost::beast::zlib;

constexpr int kLevel = 1, kWindowBits = 15, kMemoryLevel = 8;
constexpr std::string_view kHeader{"\x1f\x8b\x08\0\0\0\0\0\x04\xff", 10};  // deflate, fastest

void append_little(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xFF);
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    const size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const size_t semicolon = std::min(item.find(';'), item.size());
    if (!equals_ignoring_case(trim(item.substr(0, semicolon)), "gzip")) continue;
    const std::string_view weight = trim(item.substr(std::min(semicolon + 1, item.size())));
    return !(weight.starts_with("q=0") && weight.find_first_not_of("0.", 2) == weight.npos);
  }
  return false;
}

std::string gzip(std::string_view text) {
  zlib::deflate_stream stream;
  stream.reset(kLevel, kWindowBits, kMemoryLevel, zlib::Strategy::normal);
  std::string out(kHeader);
  const size_t begin = out.size();
  out.resize(begin + zlib::deflate_upper_bound(text.size()));
  zlib::z_params params;
  params.next_in = text.data();
  params.avail_in = text.size();
  params.next_out = out.data() + begin;
  params.avail_out = out.size() - begin;
  boost::beast::error_code error;
  stream.write(params, zlib::Flush::finish, error);
  check(error == zlib::error::end_of_stream, "a deflated text fits its upper bound");
  out.resize(out.size() - params.avail_out);
  boost::crc_32_type checksum;
  checksum.process_bytes(text.data(), text.size());
  append_little(out, checksum.checksum());
  append_little(out, static_cast<uint32_t>(text.size()));
  return out;
}

}  // namespace baton::server::http
