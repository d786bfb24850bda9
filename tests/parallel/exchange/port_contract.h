// What a port must do, asked by all ranks of an instance at once: "" or the sentence that is wrong.
#pragma once

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "parallel/exchange/collectives.h"

namespace baton::parallel::testing {

inline std::string messages_come_in_order(Port& port) {
  const uint32_t next = (port.rank() + 1) % port.size();
  const uint32_t before = (port.rank() + port.size() - 1) % port.size();
  std::vector<uint32_t> out(20), in(20);
  std::iota(out.begin(), out.end(), 100 * port.rank());
  std::vector<Transfer> transfers;
  for (size_t i = 0; i < out.size(); ++i) {
    const Tag tag = i % 2;
    transfers.push_back(port.receive(before, tag, std::as_writable_bytes(std::span(&in[i], 1))));
    transfers.push_back(port.send(next, tag, std::as_bytes(std::span(&out[i], 1))));
  }
  // Waited for in another order than they were started in.
  for (auto it = transfers.rbegin(); it != transfers.rend(); ++it) {
    if (port.wait(*it) != sizeof(uint32_t)) return "a message has another length";
  }
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i] != 100 * before + i) return "messages of one tag change their order";
  }
  return "";
}

inline std::string sizes_are_told(Port& port) {
  if (port.size() == 1) return "";
  for (const size_t size : {size_t{0}, size_t{1}, size_t{5000}, size_t{300000}}) {
    std::vector<std::byte> bytes(size, std::byte{9});
    if (port.rank() == 0) {
      port.wait(port.send(1, 3, bytes));
      send_sized(port, 1, 4, bytes);
    } else if (port.rank() == 1) {
      std::vector<std::byte> room(300001);
      if (port.wait(port.receive(0, 3, room)) != size) return "a short message's length is lost";
      std::vector<std::byte> sized;
      receive_sized(port, 0, 4, sized);
      if (sized != bytes) return "a sized message changes";
    }
  }
  return "";
}

inline std::string broadcast_reaches_all(Port& port) {
  for (const size_t size : {size_t{0}, size_t{10}, size_t{100000}}) {
    std::vector<std::byte> bytes;
    if (port.rank() == 0) bytes.assign(size, std::byte{5});
    broadcast(port, 7, bytes);
    if (bytes != std::vector<std::byte>(size, std::byte{5})) return "a broadcast changes";
  }
  return "";
}

inline std::string broken_contract(Port& port) {
  for (const auto& test : {messages_come_in_order, sizes_are_told, broadcast_reaches_all}) {
    if (std::string wrong = test(port); !wrong.empty()) return wrong;
  }
  return "";
}

}  // namespace baton::parallel::testing
