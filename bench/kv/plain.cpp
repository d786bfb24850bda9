#include "bench/kv/plain.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <thread>
#include <vector>

namespace baton::bench {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace kvcache;

namespace {

// Each block of the tokens, layer by layer, page by page: what lies there of both pools.
template <class Do>
void each_frame(const PoolMemory& source, PoolMemory& target, uint32_t tokens, Do work) {
  for (uint32_t layer = 0; layer < source.format().layers; ++layer) {
    for (uint32_t page = 0; page < pages_for(tokens); ++page) {
      const size_t bytes = size_t{tokens_in_page(tokens, page)} * source.format().entry_bytes;
      work(source.block(PageId{page}, layer).first(bytes),
           target.block(PageId{page}, layer).first(bytes));
    }
  }
}

struct Connected {
  asio::io_context io{1};
  tcp::socket to{io}, from{io};
  Connected() {
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    to.connect(acceptor.local_endpoint());
    from = acceptor.accept();
  }
};

}  // namespace

Duration copy_by_frames(const PoolMemory& source, PoolMemory& target, uint32_t tokens,
                        const Clock& clock) {
  const Instant begun = clock.now();
  each_frame(source, target, tokens,
             [](auto from, auto to) { std::memcpy(to.data(), from.data(), from.size()); });
  return clock.now() - begun;
}

Duration plain_stream(size_t bytes, const Clock& clock) {
  constexpr size_t kBuffer = 128 << 10;
  Connected sockets;
  std::vector<std::byte> sent(kBuffer, std::byte{7}), read(kBuffer);
  const Instant begun = clock.now();
  std::thread reader([&] {
    for (size_t left = bytes; left > 0;)
      left -= sockets.from.read_some(asio::buffer(read.data(), std::min(left, kBuffer)));
  });
  for (size_t left = bytes; left > 0;)
    left -= asio::write(sockets.to, asio::buffer(sent.data(), std::min(left, kBuffer)));
  reader.join();
  return clock.now() - begun;
}

Duration stream_by_frames(const PoolMemory& source, PoolMemory& target, uint32_t tokens,
                          const Clock& clock) {
  Connected sockets;
  const Instant begun = clock.now();
  std::thread reader([&] {
    each_frame(source, target, tokens, [&](auto, auto to) {
      asio::read(sockets.from, asio::buffer(to.data(), to.size()));
    });
  });
  each_frame(source, target, tokens, [&](auto from, auto) {
    asio::write(sockets.to, asio::buffer(from.data(), from.size()));
  });
  reader.join();
  return clock.now() - begun;
}

}  // namespace baton::bench
