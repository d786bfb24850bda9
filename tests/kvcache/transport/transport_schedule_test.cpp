// Seeded schedules of faults over real sockets, with payloads that follow, into a buffer or into
// their place, and with payloads in shared memory: each frame is hurt or not, and a naive model
// says what must come of it. The pure machine is put through many more in
// handoff_schedule_test.cpp.
#include <array>
#include <map>

#include "base/hash/counter_rng.h"
#include "tests/kvcache/transport/world.h"
#include "tests/support/seeds.h"

namespace baton::kvcache {
namespace {

enum class Fault : uint64_t {
  none,
  flipped_bit,  // of the payload
  shorter,
  stale_epoch,
  forged_session,
  elsewhere,  // a page that the session does not have
  twice,
  torn_header,
  vanished,  // in the middle of a frame
  ended,     // the session is aborted before the frame comes: a late writer
};
constexpr uint64_t kFaults = 10;

enum class Way { staged, in_place, shared };

class TransportSchedule : public World, public ::testing::WithParamInterface<Way> {
 protected:
  TransportSchedule() {
    make_source(true);
    in_place = GetParam() == Way::in_place;
    make_server();
  }
  bool shared() const { return GetParam() == Way::shared; }

  void connect() {
    socket.emplace(io);
    const auto endpoint = parse_endpoint(server->address());
    socket->connect(
        {asio::ip::make_address(endpoint->host), static_cast<uint16_t>(std::stoi(endpoint->port))});
    asio::write(*socket, asio::buffer(encode(Hello{kFormat, source->bytes().size(), this_host(),
                                                   shared() ? source->shared_name() : ""})));
    std::array<std::byte, HelloAnswer::kBytes> bytes{};
    until([&] { return socket->available() >= bytes.size(); });
    asio::read(*socket, asio::buffer(bytes));
    ASSERT_EQ(decode_answer(bytes)->verdict, shared() ? HelloAnswer::Verdict::payload_shared
                                                      : HelloAnswer::Verdict::payload_follows);
  }

  // Header and, if it follows, payload.
  std::vector<std::byte> wire(const OutgoingFrame& out, Fault fault) {
    WireFrame frame{out.header, shared(), 0};
    const auto block = source->block(out.page, out.header.layer).first(out.header.length);
    std::vector<std::byte> payload(block.begin(), block.end());
    FrameHeader& h = frame.header;
    if (fault == Fault::shorter) {
      h.length -= kFormat.entry_bytes;
      payload.resize(h.length);
    }
    h.crc32c = crc32c(payload);
    if (fault == Fault::flipped_bit && shared()) h.crc32c ^= 1;  // the page lies as it lies
    if (fault == Fault::flipped_bit) payload[random.below(payload.size())] ^= std::byte{16};
    if (fault == Fault::stale_epoch) --h.epoch.value;
    if (fault == Fault::forged_session) h.session.low ^= 2;
    if (fault == Fault::elsewhere) h.page += 4;
    if (shared()) frame.offset = source->offset_of(out.page, out.header.layer);
    const auto header = encode(frame);
    std::vector<std::byte> bytes(header.begin(), header.end());
    if (!shared()) bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
  }

  void expect(FrameVerdict verdict) {
    ++expected[static_cast<size_t>(verdict)];
    until([&] { return landings.size() > seen; });
    ASSERT_EQ(landings[seen++].verdict, verdict);
  }

  // Sends one frame, hurt so, and sees what comes of it. False: the session has ended.
  bool send(const OutgoingFrame& frame, Fault fault) {
    if (fault == Fault::ended) receiver.abort(frame.job, clock.now());
    auto bytes = wire(frame, fault);
    if (fault == Fault::torn_header) {
      bytes[random.below(WireFrame::kBytes)] ^= static_cast<std::byte>(1 + random.below(255));
      const uint64_t before = server->counts().violations;
      asio::write(*socket, asio::buffer(bytes));
      until([&] { return server->counts().violations > before; });
      connect();
      return true;
    }
    if (fault == Fault::vanished) {
      bytes.resize(1 + random.below(bytes.size() - 1));
      const uint64_t before = server->counts().torn;
      asio::write(*socket, asio::buffer(bytes));
      socket->close();
      until([&] { return server->counts().torn > before; });
      connect();
      return true;
    }
    asio::write(*socket, asio::buffer(bytes));
    if (fault == Fault::twice) asio::write(*socket, asio::buffer(bytes));
    static const std::map<Fault, FrameVerdict> verdicts{
        {Fault::none, FrameVerdict::admitted},
        {Fault::twice, FrameVerdict::admitted},
        {Fault::flipped_bit, FrameVerdict::corrupt},
        {Fault::shorter, FrameVerdict::out_of_range},
        {Fault::stale_epoch, FrameVerdict::stale_epoch},
        {Fault::forged_session, FrameVerdict::unknown_session},
        {Fault::elsewhere, FrameVerdict::out_of_range},
        {Fault::ended, FrameVerdict::unknown_session}};
    expect(verdicts.at(fault));
    if (fault == Fault::twice) expect(FrameVerdict::duplicate);
    return fault != Fault::ended;
  }

  // One hand-off in any order, with faults, until it is committed or aborted.
  void hand_off(uint64_t seed) {
    random = SeededRandom(seed);
    const JobId job{seed + 1};
    const auto tokens = static_cast<uint32_t>(65 + random.below(4 * kPageTokens - 65));
    auto end = open(job, tokens, server->address());
    std::vector<OutgoingFrame> frames = all_frames(end, tokens);
    connect();
    while (!frames.empty() && !HasFatalFailure()) {
      std::swap(frames[random.below(frames.size())], frames.back());
      const auto fault =
          random.chance(0.3) ? static_cast<Fault>(random.below(kFaults)) : Fault::none;
      // Of one page all faults are seen but a shorter block, which a page of one token can't have.
      if (fault == Fault::shorter && frames.back().header.length == kFormat.entry_bytes) continue;
      ++tried[static_cast<size_t>(fault)];
      const bool open_still = send(frames.back(), fault);
      ASSERT_EQ(broken_invariant(pool, receiver), std::nullopt);
      if (!open_still) break;
      frames.pop_back();
      if (frames.empty()) frames = end.resend(receiver.missing(job, 100));
    }
    if (receiver.complete(job)) {
      const auto digests = page_digests(*source, end.pages(), tokens);
      const auto pages = receiver.commit(job, clock.now());
      for (uint32_t i = 0; i < pages.size(); ++i)
        ASSERT_EQ(page_digest(memory, pages[i], tokens_in_page(tokens, i)), digests[i]);
      for (const PageId page : pages) pool.release(page);
      ++committed;
    }
    socket->close();
    EXPECT_EQ(pool.counts().free, kPages) << "a page leaked";
  }

  SeededRandom random{0};
  std::optional<tcp::socket> socket;
  std::array<uint64_t, kFrameVerdicts> expected{};
  std::array<uint64_t, kFaults> tried{};
  uint64_t committed = 0;
  size_t seen = 0;  // of landings
};

TEST_P(TransportSchedule, NoWrongByteIsCommittedAndEveryFaultIsCounted) {
  const uint64_t schedules = std::min<uint64_t>(baton::testing::seeds(60), 2000);
  for (uint64_t seed = 0; seed < schedules && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    hand_off(seed);
  }
  EXPECT_EQ(receiver.frame_counts(), expected) << "a frame was not counted";
  EXPECT_EQ(server->counts().violations, tried[static_cast<size_t>(Fault::torn_header)]);
  EXPECT_EQ(server->counts().torn, tried[static_cast<size_t>(Fault::vanished)]);
  EXPECT_GT(committed, schedules / 2);
  for (const uint64_t count : tried) EXPECT_GT(count, schedules / 20);
}

INSTANTIATE_TEST_SUITE_P(Ways, TransportSchedule,
                         ::testing::Values(Way::staged, Way::in_place, Way::shared),
                         [](const auto& way) {
                           return way.param == Way::staged     ? "Staged"
                                  : way.param == Way::in_place ? "InPlace"
                                                               : "Shared";
                         });

}  // namespace
}  // namespace baton::kvcache
