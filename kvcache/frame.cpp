#include "kvcache/frame.h"

#include <algorithm>

#include "kvcache/transport/fixed_message.h"

namespace baton::kvcache {

namespace {

constexpr uint32_t kHelloMagic = 0x484e5442;   // "BTNH"
constexpr uint32_t kAnswerMagic = 0x414e5442;  // "BTNA"
constexpr uint32_t kFrameMagic = 0x464e5442;   // "BTNF"
constexpr uint16_t kSharedFlag = 1;

Result<void> open(std::span<const std::byte> bytes, uint32_t magic, const char* what) {
  MessageReader reader(bytes);
  if (reader.get<uint32_t>() != magic) {
    return fail(ErrorCode::corrupt, "the peer sent something that is not {}", what);
  }
  if (const auto version = reader.get<uint16_t>(); version != kFrameWireVersion) {
    return fail(ErrorCode::unsupported,
                "the peer speaks version {} of the frame protocol, this instance version {}",
                version, kFrameWireVersion);
  }
  if (!checksum_holds(bytes)) {
    return fail(ErrorCode::corrupt, "the checksum of {} is wrong", what);
  }
  return {};
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// A length and a text in a field of fixed size, zero behind the text.
Result<std::string> get_text(MessageReader& reader, size_t room) {
  const auto length = reader.get<uint32_t>();
  const auto field = reader.get(room);
  if (length > room || !is_zero(field.subspan(length))) {
    return fail(ErrorCode::corrupt, "the peer sent a text longer than its field");
  }
  return std::string(reinterpret_cast<const char*>(field.data()), length);
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

std::array<std::byte, Hello::kBytes> encode(const Hello& hello) {
  MessageWriter<Hello::kBytes> out;
  out.put(kHelloMagic).put(kFrameWireVersion);
  out.put(uint16_t{hello.shared_name.empty() ? uint16_t{0} : kSharedFlag});
  out.put(hello.format.layers).put(hello.format.entry_bytes).put(kPageTokens);
  out.put(hello.host.uid).put(hello.pool_bytes);
  out.put(hello.host.boot_id, hello.host.boot_id.size()).put(hello.host.pid_namespace);
  out.put(static_cast<uint32_t>(hello.shared_name.size()));
  out.put(bytes_of(hello.shared_name), Hello::kNameMax);
  return out.finish();
}

Result<Hello> decode_hello(std::span<const std::byte, Hello::kBytes> bytes) {
  BATON_CHECKED(open(bytes, kHelloMagic, "a hello of the frame protocol"));
  MessageReader reader(bytes.subspan(6));
  Hello out;
  const auto flags = reader.get<uint16_t>();
  out.format.layers = reader.get<uint32_t>();
  out.format.entry_bytes = reader.get<uint32_t>();
  const auto page_tokens = reader.get<uint32_t>();
  out.host.uid = reader.get<uint32_t>();
  out.pool_bytes = reader.get<uint64_t>();
  const auto boot_id = reader.get(out.host.boot_id.size());
  std::copy(boot_id.begin(), boot_id.end(), out.host.boot_id.begin());
  out.host.pid_namespace = reader.get<uint64_t>();
  BATON_TRY(name, get_text(reader, Hello::kNameMax));
  out.shared_name = name;
  if (page_tokens != kPageTokens) {
    return fail(ErrorCode::unsupported, "the peer's pages hold {} tokens, this instance's {}",
                page_tokens, kPageTokens);
  }
  if (!out.format.valid() || out.pool_bytes == 0 || out.pool_bytes % out.format.page_bytes() != 0 ||
      flags != (out.shared_name.empty() ? 0 : kSharedFlag)) {
    return fail(ErrorCode::corrupt, "the peer's hello contradicts itself");
  }
  return out;
}

std::array<std::byte, HelloAnswer::kBytes> encode(const HelloAnswer& answer) {
  const std::string reason = answer.reason.substr(0, HelloAnswer::kReasonMax);
  MessageWriter<HelloAnswer::kBytes> out;
  out.put(kAnswerMagic).put(kFrameWireVersion).put(static_cast<uint16_t>(answer.verdict));
  out.put(static_cast<uint32_t>(reason.size())).put(bytes_of(reason), HelloAnswer::kReasonMax);
  return out.finish();
}

Result<HelloAnswer> decode_answer(std::span<const std::byte, HelloAnswer::kBytes> bytes) {
  BATON_CHECKED(open(bytes, kAnswerMagic, "an answer of the frame protocol"));
  MessageReader reader(bytes.subspan(6));
  HelloAnswer out;
  const auto verdict = reader.get<uint16_t>();
  if (verdict > static_cast<uint16_t>(HelloAnswer::Verdict::refused)) {
    return fail(ErrorCode::corrupt, "the peer answered with the unknown verdict {}", verdict);
  }
  out.verdict = static_cast<HelloAnswer::Verdict>(verdict);
  BATON_TRY(reason, get_text(reader, HelloAnswer::kReasonMax));
  out.reason = reason;
  return out;
}

std::array<std::byte, WireFrame::kBytes> encode(const WireFrame& frame) {
  const FrameHeader& h = frame.header;
  MessageWriter<WireFrame::kBytes> out;
  out.put(kFrameMagic).put(kFrameWireVersion).put(frame.shared ? kSharedFlag : uint16_t{0});
  out.put(h.session.high).put(h.session.low).put(h.epoch.value).put(h.layer).put(h.page);
  out.put(h.length).put(h.crc32c).put(frame.offset);
  return out.finish();
}

Result<WireFrame> decode_frame(std::span<const std::byte, WireFrame::kBytes> bytes,
                               const FrameRules& rules) {
  BATON_CHECKED(open(bytes, kFrameMagic, "a frame"));
  MessageReader reader(bytes.subspan(6));
  WireFrame out;
  const auto flags = reader.get<uint16_t>();
  FrameHeader& h = out.header;
  h.session.high = reader.get<uint64_t>();
  h.session.low = reader.get<uint64_t>();
  h.epoch = Epoch{reader.get<uint32_t>()};
  h.layer = reader.get<uint32_t>();
  h.page = reader.get<uint32_t>();
  h.length = reader.get<uint32_t>();
  h.crc32c = reader.get<uint32_t>();
  out.offset = reader.get<uint64_t>();
  out.shared = flags == kSharedFlag;
  if (flags > kSharedFlag || out.shared != rules.shared) {
    return fail(ErrorCode::corrupt, "a frame's payload is not where the hello agreed on");
  }
  const size_t block = rules.format.block_bytes();
  if (h.layer >= rules.format.layers || h.length == 0 || h.length > block ||
      h.length % rules.format.entry_bytes != 0) {
    return fail(ErrorCode::corrupt, "a frame of layer {} with {} bytes does not fit the format",
                h.layer, h.length);
  }
  if (!out.shared && out.offset != 0) {
    return fail(ErrorCode::corrupt, "a frame whose payload follows names an offset");
  }
  // pool_bytes is a whole number of pages, so that a block that begins inside also ends inside.
  if (out.shared && (out.offset >= rules.pool_bytes || out.offset % block != 0 ||
                     out.offset / block % rules.format.layers != h.layer)) {
    return fail(ErrorCode::corrupt, "a frame of layer {} names offset {}, where no such block lies",
                h.layer, out.offset);
  }
  return out;
}

}  // namespace baton::kvcache
