// LargePieces: how much of a transfer Asio hands to the system at a time, for pages: up to 1 MiB,
// where its own conditions stop at 64 KiB. All of the buffers are transferred, or there is an
// error. Thread safety: value.
#pragma once

#include <boost/system/error_code.hpp>
#include <cstddef>

namespace baton::kvcache {

struct LargePieces {
  size_t operator()(const boost::system::error_code& error, size_t) const {
    return error ? 0 : size_t{1} << 20;
  }
};

}  // namespace baton::kvcache
