#include "bench/kv/plain.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <thread>

namespace baton::bench {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace kvcache;

Duration copy_by_frames(const PoolMemory& source, PoolMemory& target, uint32_t tokens,
                        const Clock& clock) {
  const Instant begun = clock.now();
  for (uint32_t layer = 0; layer < source.format().layers; ++layer) {
    for (uint32_t page = 0; page < pages_for(tokens); ++page) {
      std::memcpy(target.block(PageId{page}, layer).data(),
                  source.block(PageId{page}, layer).data(),
                  size_t{tokens_in_page(tokens, page)} * source.format().entry_bytes);
    }
  }
  return clock.now() - begun;
}

Duration plain_stream(size_t bytes, const Clock& clock) {
  constexpr size_t kBuffer = 128 << 10;
  asio::io_context io(1);
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  tcp::socket to(io);
  to.connect(acceptor.local_endpoint());
  tcp::socket from = acceptor.accept();
  std::vector<std::byte> sent(kBuffer, std::byte{7}), read(kBuffer);
  const Instant begun = clock.now();
  std::thread reader([&] {
    for (size_t left = bytes; left > 0;)
      left -= from.read_some(asio::buffer(read.data(), std::min(left, kBuffer)));
  });
  for (size_t left = bytes; left > 0;)
    left -= asio::write(to, asio::buffer(sent.data(), std::min(left, kBuffer)));
  reader.join();
  return clock.now() - begun;
}

}  // namespace baton::bench
