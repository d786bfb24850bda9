// The server against peers that say anything: a client that writes its bytes by hand.
#include "kvcache/transport/frame_server.h"

#include "tests/kvcache/transport/world.h"

namespace baton::kvcache {
namespace {

// With payloads that follow in a buffer, and in their place.
class FrameServerTest : public World, public ::testing::WithParamInterface<bool> {
 protected:
  FrameServerTest() {
    make_source(true);
    in_place = GetParam();
  }
  void turn_the_loop() {
    for (int turn = 0; turn < 50; ++turn) {
      io.restart();
      io.run_one_for(1ms);
    }
  }

  Hello hello(bool shared) const {
    return {kFormat, source->bytes().size(), this_host(), shared ? source->shared_name() : ""};
  }

  tcp::socket connect() {
    tcp::socket socket(io);
    const auto endpoint = parse_endpoint(server->address());
    socket.connect(
        {asio::ip::make_address(endpoint->host), static_cast<uint16_t>(std::stoi(endpoint->port))});
    return socket;
  }

  template <class Bytes>
  static void send(tcp::socket& socket, const Bytes& bytes) {
    asio::write(socket, asio::buffer(bytes));
  }

  HelloAnswer answer(tcp::socket& socket) {
    std::array<std::byte, HelloAnswer::kBytes> bytes{};
    until([&] { return socket.available() >= bytes.size(); });
    asio::read(socket, asio::buffer(bytes));
    return *decode_answer(bytes);
  }

  tcp::socket greeted(bool shared) {
    tcp::socket socket = connect();
    send(socket, encode(hello(shared)));
    EXPECT_EQ(answer(socket).verdict, shared ? HelloAnswer::Verdict::payload_shared
                                             : HelloAnswer::Verdict::payload_follows);
    return socket;
  }

  bool is_closed(tcp::socket& socket) {
    socket.non_blocking(true);
    std::byte byte{};
    boost::system::error_code error;
    socket.read_some(asio::buffer(&byte, 1), error);
    return error && error != asio::error::would_block;
  }

  // The frame of a job's only page, as a right sender would send it.
  WireFrame frame(HandoffSender& job, uint32_t layer, bool shared = false) {
    auto out = job.resend(std::vector<FrameName>{{layer, 0}}).front();
    const auto block = source->block(out.page, layer).first(out.header.length);
    out.header.crc32c = crc32c(block);
    return {out.header, shared, shared ? source->offset_of(out.page, layer) : 0};
  }
  std::vector<std::byte> payload(const WireFrame& frame) const {
    const auto block = source->block(PageId{0}, frame.header.layer).first(frame.header.length);
    return {block.begin(), block.end()};
  }
};

TEST_P(FrameServerTest, TakesFramesWrittenByHand) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  for (const bool shared : {false, true}) {
    auto socket = greeted(shared);
    const auto f = frame(job, shared ? 1 : 0, shared);
    send(socket, encode(f));
    if (!shared) send(socket, payload(f));
    const auto before = landings.size();
    until([&] { return landings.size() > before; });
    EXPECT_EQ(landings.back().verdict, FrameVerdict::admitted);
  }
  EXPECT_EQ(server->counts().bytes, 2u * 5 * 32);
  EXPECT_EQ(receiver.missing(JobId{1}, 9), (std::vector<FrameName>{{2, 0}}));
}

TEST_P(FrameServerTest, ACorruptPayloadVerifiesNothingAndTheConnectionGoesOn) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  auto socket = greeted(false);
  const auto f = frame(job, 0);
  auto bytes = payload(f);
  bytes[17] ^= std::byte{1};
  send(socket, encode(f));
  send(socket, bytes);
  send(socket, encode(f));
  send(socket, payload(f));
  until([&] { return landings.size() == 2; });
  EXPECT_EQ(landings[0].verdict, FrameVerdict::corrupt);
  EXPECT_EQ(landings[1].verdict, FrameVerdict::admitted);
}

// What is not verified is in no digest, and takes along what was begun for its page.
TEST_P(FrameServerTest, DigestsOnlyWhatIsVerified) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  const PageId page = receiver.pages(JobId{1})->front().page;
  auto socket = greeted(false);
  const auto land = [&](uint32_t layer, bool right) {
    const auto f = frame(job, layer);
    auto bytes = payload(f);
    if (!right) bytes[3] ^= std::byte{4};
    send(socket, encode(f));
    send(socket, bytes);
    const auto before = landings.size();
    until([&] { return landings.size() > before; });
  };
  land(0, false);
  EXPECT_FALSE(landed_digests.take(JobId{1}, page));
  land(0, true);
  land(1, true);
  EXPECT_EQ(server->counts().digested, 2u);
  land(2, false);
  EXPECT_FALSE(landed_digests.take(JobId{1}, page));
  land(2, true);
  EXPECT_EQ(server->counts().digested, 2u);
  EXPECT_TRUE(landings.back().complete);
}

TEST_P(FrameServerTest, ARefusedPayloadIsReadAndThrownAway) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  auto socket = greeted(false);
  const auto f = frame(job, 0);
  auto forged = f;
  forged.header.session.low += 1;
  auto stale = f;
  stale.header.epoch.value -= 1;
  for (const auto& each : {forged, stale, f, f}) {
    send(socket, encode(each));
    send(socket, payload(each));
  }
  until([&] { return landings.size() == 4; });
  EXPECT_EQ(landings[0].verdict, FrameVerdict::unknown_session);
  EXPECT_EQ(landings[0].job, std::nullopt);
  EXPECT_EQ(landings[0].session, forged.header.session);
  EXPECT_EQ(landings[1].verdict, FrameVerdict::stale_epoch);
  EXPECT_EQ(landings[1].job, JobId{1});
  EXPECT_EQ(landings[2].verdict, FrameVerdict::admitted);
  EXPECT_EQ(landings[3].verdict, FrameVerdict::duplicate);
}

TEST_P(FrameServerTest, AnAbortWhileThePayloadIsUnderWayRefusesIt) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  auto socket = greeted(false);
  const auto f = frame(job, 0);
  const auto bytes = payload(f);
  send(socket, encode(f));
  send(socket, std::span(bytes).first(10));
  turn_the_loop();
  receiver.abort(JobId{1}, clock.now());
  send(socket, std::span(bytes).subspan(10));
  until([&] { return !landings.empty(); });
  EXPECT_EQ(landings[0].verdict, FrameVerdict::unknown_session);
  EXPECT_EQ(pool.counts().free, kPages);
}

// The page of a session that ended in the middle of a payload is another's: nothing is written
// there.
TEST_P(FrameServerTest, TheRestOfAPayloadWhoseSessionEndedIsWrittenNowhere) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  auto socket = greeted(false);
  const auto f = frame(job, 0);
  const auto bytes = payload(f);
  send(socket, encode(f));
  send(socket, std::span(bytes).first(10));
  turn_the_loop();
  const PageId page = receiver.page_of(f.header);
  receiver.abort(JobId{1}, clock.now());
  open(JobId{2}, 64 * kPages, server->address());  // all pages
  std::ranges::fill(memory.block(page, 0), std::byte{0xee});
  const Digest before = page_digest(memory, page, 64);
  send(socket, std::span(bytes).subspan(10));
  until([&] { return !landings.empty(); });
  EXPECT_EQ(landings[0].verdict, FrameVerdict::unknown_session);
  EXPECT_EQ(page_digest(memory, page, 64), before);
  EXPECT_EQ(counted(FrameVerdict::unknown_session), 1u);
}

// Of a block that came twice at once, over two connections, one is verified and nothing is torn.
TEST_P(FrameServerTest, TwoConnectionsMayBringTheSameBlock) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  auto slow = greeted(false);
  auto quick = greeted(false);
  const auto f = frame(job, 0);
  const auto bytes = payload(f);
  send(slow, encode(f));
  send(slow, std::span(bytes).first(60));
  turn_the_loop();
  send(quick, encode(f));
  send(quick, bytes);
  until([&] { return landings.size() == 1; });
  EXPECT_EQ(landings[0].verdict, FrameVerdict::admitted);
  send(slow, std::vector<std::byte>(bytes.size() - 60, std::byte{0xbb}));
  until([&] { return landings.size() == 2; });
  EXPECT_EQ(landings[1].verdict, FrameVerdict::duplicate);
  const auto block = memory.block(receiver.page_of(f.header), 0).first(bytes.size());
  EXPECT_TRUE(std::ranges::equal(block, bytes));
}

TEST_P(FrameServerTest, AConnectionLostInAFrameVerifiesNothing) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  for (const size_t part : {size_t{20}, WireFrame::kBytes, WireFrame::kBytes + 50}) {
    auto socket = greeted(false);
    const auto f = frame(job, 0);
    const auto header = encode(f);
    std::vector<std::byte> bytes(header.begin(), header.end());
    for (const std::byte b : payload(f)) bytes.push_back(b);
    bytes.resize(part);
    send(socket, bytes);
    socket.close();
    const uint64_t torn = server->counts().torn;
    until([&] { return server->counts().torn > torn && server->connections() == 0; });
  }
  EXPECT_TRUE(landings.empty());
  EXPECT_EQ(receiver.missing(JobId{1}, 9).size(), 3u);
}

TEST_P(FrameServerTest, AViolationClosesItsConnectionAndNoOther) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  auto good = greeted(false);
  auto too_long = frame(job, 0);
  too_long.header.length = 0xffffffe0u;
  auto elsewhere = frame(job, 0, true);
  elsewhere.offset = source->bytes().size();
  auto bad_bits = encode(frame(job, 0));
  bad_bits[30] ^= std::byte{8};
  const auto expect_closed = [&](bool shared, const auto& bytes) {
    auto bad = greeted(shared);
    send(bad, bytes);
    until([&] { return is_closed(bad); });
  };
  expect_closed(false, encode(too_long));
  expect_closed(true, encode(elsewhere));
  expect_closed(false, bad_bits);
  expect_closed(false, encode(frame(job, 0, true)));
  EXPECT_EQ(server->counts().violations, 4u);
  const auto f = frame(job, 0);
  send(good, encode(f));
  send(good, payload(f));
  until([&] { return !landings.empty(); });
  EXPECT_EQ(landings[0].verdict, FrameVerdict::admitted);
}

TEST_P(FrameServerTest, AWrongHelloIsClosedAnotherFormatIsToldWhy) {
  make_server();
  auto noise = connect();
  send(noise, std::string(Hello::kBytes, 'G'));
  until([&] { return is_closed(noise); });
  EXPECT_EQ(server->counts().violations, 1u);
  auto other = connect();
  auto wrong = hello(true);
  wrong.format.entry_bytes = 64;
  wrong.pool_bytes *= 2;
  send(other, encode(wrong));
  const auto says = answer(other);
  EXPECT_EQ(says.verdict, HelloAnswer::Verdict::refused);
  EXPECT_EQ(says.reason, "the cache here has 3 layers of 32 bytes a token, not 3 of 64");
  until([&] { return is_closed(other); });
  EXPECT_EQ(server->counts().refused, 1u);
}

TEST_P(FrameServerTest, PayloadsFollowWhereThePoolCannotBeMapped) {
  make_server();
  auto wrong_name = hello(true);
  wrong_name.shared_name = "/proc/1/fd/0";
  auto wrong_size = hello(true);
  wrong_size.pool_bytes += kFormat.page_bytes();
  auto wrong_host = hello(true);
  wrong_host.host.boot_id[0] ^= std::byte{1};
  for (const Hello& each : {wrong_name, wrong_size, wrong_host}) {
    auto socket = connect();
    send(socket, encode(each));
    EXPECT_EQ(answer(socket).verdict, HelloAnswer::Verdict::payload_follows);
  }
}

TEST_P(FrameServerTest, WhoStandsStillIsClosed) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  auto silent = connect();
  until([&] { return server->connections() == 1; });
  clock.advance(4s);
  until([&] { return server->counts().timeouts == 1; });
  auto stalled = greeted(false);
  send(stalled, encode(frame(job, 0)));
  turn_the_loop();
  auto idle = greeted(false);
  clock.advance(11s);
  until([&] { return server->counts().timeouts == 2; });
  EXPECT_EQ(server->connections(), 1u);
  clock.advance(60s);
  until([&] { return server->counts().timeouts == 3; });
  EXPECT_TRUE(is_closed(silent) && is_closed(stalled) && is_closed(idle));
}

TEST_P(FrameServerTest, TakesNoMoreConnectionsThanItsLimit) {
  FrameServerOptions options;
  options.connections_max = 1;
  make_server(options);
  auto first = greeted(false);
  auto second = connect();
  until([&] { return is_closed(second); });
  EXPECT_EQ(server->counts().refused, 1u);
  first.close();
  until([&] { return server->connections() == 0; });
  greeted(false);
}

TEST_P(FrameServerTest, MayBeDestroyedByItsOwnEvent) {
  make_server();
  auto job = open(JobId{1}, 5, server->address());
  all_frames(job, 5);
  auto socket = greeted(true);
  on_landing = [&](const Landing&) { server.reset(); };
  send(socket, encode(frame(job, 0, true)));
  send(socket, encode(frame(job, 1, true)));
  until([&] { return is_closed(socket); });
  EXPECT_EQ(landings.size(), 1u);
}

TEST_P(FrameServerTest, SaysWhyItCannotListen) {
  make_server();
  FrameServerOptions options;
  options.port = static_cast<uint16_t>(std::stoi(parse_endpoint(server->address())->port));
  const auto second = FrameServer::listen(io.get_executor(), options, receiver, memory, clock,
                                          [](const Landing&) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::unavailable);
}

INSTANTIATE_TEST_SUITE_P(Ways, FrameServerTest, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "InPlace" : "Staged"; });

}  // namespace
}  // namespace baton::kvcache
