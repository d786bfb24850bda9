// Fuzzes the codec: the first byte chooses the message, the rest are its bytes. Whatever is read
// must survive its own round trip.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "proto/codec.h"

namespace {

template <class Message>
void read(std::span<const std::byte> bytes) {
  using namespace baton::rpc;
  const auto parsed = parse<Message>(bytes);
  if (!parsed) return;
  const std::string again = serialize(*parsed);
  baton::check(parse<Message>(std::as_bytes(std::span(again))).has_value(),
               "what the codec has read must be readable again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0] % 8) {
    case 0:
      read<baton::ToScheduler>(bytes);
      break;
    case 1:
      read<baton::FromScheduler>(bytes);
      break;
    case 2:
      read<baton::ToPrefill>(bytes);
      break;
    case 3:
      read<baton::FromPrefill>(bytes);
      break;
    case 4:
      read<baton::ToDecode>(bytes);
      break;
    case 5:
      read<baton::FromDecode>(bytes);
      break;
    case 6:
      read<baton::rpc::GenerateCall>(bytes);
      break;
    case 7:
      read<baton::rpc::GenerateEvent>(bytes);
      break;
  }
  return 0;
}
